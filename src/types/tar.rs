//! A tar of the agent that is not verified yet.

use std::borrow::Borrow;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;

/// Where a tar came from. Displayed after "the tar from".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TarSource {
    /// The cache, filled by a package or an earlier start.
    Cache(PathBuf),
    /// A path in the configuration or on the command line.
    File(PathBuf),
    /// A download; its URL.
    Url(String),
    /// An update that the running agent downloaded and requested with exit code 42.
    Update(PathBuf),
}

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

/// Which users may own a tar, and therefore change it after verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileTrust {
    /// Root and this process's user.
    Root,
    /// Also this user: the owner of an image's root tree can change everything in it.
    Owner(u32),
    /// Any user: only a copy is used, which is hashed while it is written.
    Copied,
}

/// An open tar and its detached signature, not verified yet. `F` holds the open file: a [`File`],
/// or a type that also has its path. The file that is stored later is then the file that was
/// verified.
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

    /// The same tar with other trusted owners.
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

    /// The same tar; `map` converts the value that holds the open file.
    pub fn map_file<G: Borrow<File>>(self, map: impl FnOnce(F) -> G) -> UnverifiedTar<G> {
        UnverifiedTar {
            file: map(self.file),
            signature: self.signature,
            source: self.source,
            trust: self.trust,
        }
    }

    /// The value that holds the open file.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// Which users may own the file.
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

    /// The value that holds the open file, the signature and the source, for verification.
    pub(crate) fn into_parts(self) -> (F, Option<Vec<u8>>, TarSource) {
        (self.file, self.signature, self.source)
    }
}
