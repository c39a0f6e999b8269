//! A tar of the agent that is not verified yet, and where it came from.

use std::borrow::Borrow;
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

/// An open tar and its detached signature, neither verified yet. `F` owns the open file: a plain
/// [`File`], or a type that also knows where the file is, so that what is stored later is the file
/// that was verified.
#[derive(Debug)]
pub struct UnverifiedTar<F = File> {
    file: F,
    signature: Option<Vec<u8>>,
    source: TarSource,
    trust: FileTrust,
}

impl<F: Borrow<File>> UnverifiedTar<F> {
    /// A tar, open for reading; the bytes of its detached signature (armored or binary), if there
    /// is one; and where both came from.
    pub fn new(file: F, signature: Option<Vec<u8>>, source: TarSource) -> Self {
        UnverifiedTar {
            file,
            signature,
            source,
            trust: FileTrust::Root,
        }
    }

    /// The same tar with other write access.
    #[must_use]
    pub fn with_trust(self, trust: FileTrust) -> Self {
        UnverifiedTar { trust, ..self }
    }

    /// The same tar with this signature.
    #[must_use]
    pub fn with_signature(self, signature: Vec<u8>) -> Self {
        UnverifiedTar {
            signature: Some(signature),
            ..self
        }
    }

    /// The same tar with another owner of its open file.
    #[must_use]
    pub fn map_file<G: Borrow<File>>(self, owner: impl FnOnce(F) -> G) -> UnverifiedTar<G> {
        UnverifiedTar {
            file: owner(self.file),
            signature: self.signature,
            source: self.source,
            trust: self.trust,
        }
    }

    /// The owner of the open file.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// Who may be able to write to the file.
    pub fn trust(&self) -> FileTrust {
        self.trust
    }

    /// Where the tar came from.
    pub fn source(&self) -> &TarSource {
        &self.source
    }

    /// The signature, not parsed.
    pub fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }

    /// The file's owner, the signature and the source, for verification.
    pub(crate) fn into_parts(self) -> (F, Option<Vec<u8>>, TarSource) {
        (self.file, self.signature, self.source)
    }
}
