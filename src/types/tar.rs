//! A tar of the agent that is not verified yet, and where it came from.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;

/// Where a tar came from; in the log and in every refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TarSource {
    /// The cache, as a package or an earlier start left it.
    Cache(PathBuf),
    /// A tar that the configuration or the command line names.
    File(PathBuf),
    /// A download, by its URL.
    Url(String),
    /// The tar that the running agent fetched and asked for with exit 42.
    Update(PathBuf),
}

/// Reads on after "the tar from ".
impl fmt::Display for TarSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TarSource::Cache(path) => write!(f, "the cache ({})", path.display()),
            TarSource::File(path) => write!(f, "file {}", path.display()),
            TarSource::Url(url) => f.write_str(url),
            TarSource::Update(path) => write!(f, "the agent's update ({})", path.display()),
        }
    }
}

/// Who may be able to write to an open tar. What is used as it lies must not change between the
/// check and the use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileTrust {
    /// Root and this process's user.
    Root,
    /// This user, too: who has an image's tree may change all of it.
    Owner(u32),
    /// Anybody. Nothing but a copy is used, which is hashed while it is made.
    Copied,
}

/// An open tar and what is said to be its signature; nothing of it has been believed yet. It is
/// the open file that goes on from here, never its name: what a name stands for can change.
#[derive(Debug)]
pub struct UnverifiedTar {
    file: File,
    signature: Option<Vec<u8>>,
    source: TarSource,
    trust: FileTrust,
}

impl UnverifiedTar {
    /// A tar, open for reading; the bytes of its detached signature (armored or binary), if one
    /// was found; and where both came from.
    pub fn new(file: File, signature: Option<Vec<u8>>, source: TarSource) -> Self {
        UnverifiedTar {
            file,
            signature,
            source,
            trust: FileTrust::Root,
        }
    }

    /// The same where others may write to it.
    #[must_use]
    pub fn with_trust(self, trust: FileTrust) -> Self {
        UnverifiedTar { trust, ..self }
    }

    /// Who may be able to write to it.
    pub fn trust(&self) -> FileTrust {
        self.trust
    }

    /// Where it came from.
    pub fn source(&self) -> &TarSource {
        &self.source
    }

    /// The signature as it was found, unread.
    pub fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }

    /// Taken apart. Only verification and the cache, which keeps the signature, need the parts.
    pub(crate) fn into_parts(self) -> (File, Option<Vec<u8>>, TarSource) {
        (self.file, self.signature, self.source)
    }
}
