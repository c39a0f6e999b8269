//! The two architectures, as image configurations name them.

use std::fmt;

/// What an image is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`.
    Amd64,
    /// `aarch64`.
    Arm64,
}

impl Architecture {
    /// The one that this program is built for. `None` elsewhere: there is no agent for it.
    pub const OURS: Option<Architecture> = if cfg!(target_arch = "x86_64") {
        Some(Architecture::Amd64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Architecture::Arm64)
    } else {
        None
    };

    /// By Go's name (the OCI image specification's `architecture`) or the kernel's.
    #[must_use]
    pub fn named(name: &str) -> Option<Architecture> {
        match name {
            "amd64" | "x86_64" | "x86-64" => Some(Architecture::Amd64),
            "arm64" | "aarch64" => Some(Architecture::Arm64),
            _ => None,
        }
    }
}

/// Go's name.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        })
    }
}
