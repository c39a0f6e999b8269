//! The instruction sets that the agent is built for.

/// The instruction sets that the agent is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`.
    Amd64,
    /// `aarch64`.
    Arm64,
}

impl Architecture {
    /// What this binary was built for. The agent runs on the same kernel.
    #[must_use]
    pub const fn here() -> Self {
        if cfg!(target_arch = "aarch64") {
            Architecture::Arm64
        } else {
            Architecture::Amd64
        }
    }

    /// The name in an image's configuration (OCI image-spec, `GOARCH`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Amd64 => "amd64",
            Architecture::Arm64 => "arm64",
        }
    }
}
