//! `/var/cache/ecs`: the tar that the next start loads without a network.
//!
//! ```text
//! state                             "1": see State
//! ecs-agent.tar                     the cached tar, or a symbolic link to it
//!   → ecs-agent-<16 hex digits>.tar a stored download, named by its SHA-256
//!     ecs-agent-<…>.tar.asc         its signature, next to the link's target
//!   → /elsewhere/on/the/host.tar    or the tar that the configuration names
//! .ecs-init-<…>.part                temporary files
//! ```
//!
//! A new tar and its signature are written and synced first, then rename(2) swaps the link, then
//! the old files are removed. After a crash the cache has the old tar with the old signature, or
//! the new tar with the new one.
//!
//! Only what is [`Verified`] is stored: each method takes the verified file itself.

mod store;
#[cfg(test)]
mod tests;
mod update;

use std::borrow::Borrow;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::fetch::LocalTar;
use crate::fs::{TempFile, atomic_write, create_directory};
use crate::sys::file::open_regular;
use crate::types::{AgentVersion, Root, TarSource, UnverifiedTar, read_signature, signature_path};
use crate::verify::Verified;

/// The cache's directory. The agent writes its own updates to it, too.
pub const DIRECTORY: &str = "/var/cache/ecs";
/// The name of the cached tar; Amazon's ecs-init uses the same.
pub const TAR: &str = "ecs-agent.tar";
/// The file in which the agent names the tar that it wants to be updated to.
pub(crate) const DESIRED_IMAGE: &str = "desired-image";

/// The content of the state file, in the format of Amazon's ecs-init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// `0`, or no state file, or no tar: download one.
    Uncached,
    /// `1`: there is a tar and it was loaded; load it only if Docker does not have the image.
    Cached,
    /// `2`: a package installed a tar; load it even if Docker has an image.
    ReloadNeeded,
}

impl State {
    fn digit(self) -> &'static str {
        match self {
            State::Uncached => "0",
            State::Cached => "1",
            State::ReloadNeeded => "2",
        }
    }
}

/// The cache.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    root: Root,
}

/// The open cached tar.
#[derive(Debug)]
pub struct CachedTar {
    file: File,
    /// `ecs-agent.tar`, or the target of that link.
    path: PathBuf,
}

impl CachedTar {
    /// The version in the file name; see [`AgentVersion::from_tar_name`]. It is not verified; it
    /// only selects the signature to download.
    pub fn version(&self) -> Option<AgentVersion> {
        AgentVersion::from_tar_name(self.path.file_name()?.to_str()?)
    }
}

impl Borrow<File> for CachedTar {
    fn borrow(&self) -> &File {
        &self.file
    }
}

impl Cache {
    /// The cache below this root.
    pub fn new(root: &Root) -> Cache {
        Cache {
            dir: root.at(DIRECTORY),
            root: root.clone(),
        }
    }

    /// The cache's directory, below the root.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Reads the state. A state file that cannot be read counts as [`State::Uncached`].
    pub fn state(&self) -> State {
        let tar = fs::metadata(self.dir.join(TAR));
        if !tar.is_ok_and(|m| m.is_file() && m.len() > 0) {
            return State::Uncached;
        }
        let path = self.dir.join("state");
        let invalid = match fs::read(&path) {
            Ok(text) => match text.trim_ascii() {
                b"1" => return State::Cached,
                b"2" => return State::ReloadNeeded,
                b"" | b"0" => return State::Uncached,
                _ => "not 0, 1 or 2".to_owned(),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => return State::Uncached,
            Err(e) => e.to_string(),
        };
        log::warn!(
            "ignoring the cache's state {}: {invalid}; downloading the tar again",
            path.display()
        );
        State::Uncached
    }

    /// Writes the state. Creates the cache's directory if needed.
    ///
    /// # Errors
    /// The file cannot be written; it then has its old content.
    pub fn set_state(&self, state: State) -> Result<()> {
        let path = self.dir.join("state");
        create_directory(&self.dir, 0o755)
            .and_then(|()| atomic_write(&path, 0o600, state.digit().as_bytes()))
            .context(|| format!("write {}", path.display()))
    }

    /// Opens the cached tar and reads its signature, if there is one.
    ///
    /// # Errors
    /// The cached tar does not exist or cannot be read.
    pub fn open(&self) -> Result<UnverifiedTar<CachedTar>> {
        let link = self.dir.join(TAR);
        let path = match fs::read_link(&link) {
            Ok(target) if target.is_absolute() => self.root.at(target),
            Ok(target) => self.dir.join(target),
            Err(_) => link.clone(),
        };
        let file =
            open_regular(&path).context(|| format!("open the cached tar {}", link.display()))?;
        let mut signature = read_signature(&signature_path(&path))?;
        if signature.is_none() && path != link {
            signature = read_signature(&signature_path(&link))?;
        }
        let source = TarSource::Cache(path.clone());
        Ok(UnverifiedTar::new(
            CachedTar { file, path },
            signature,
            source,
        ))
    }

    /// Makes a verified download the cached tar. The caller sets the state.
    ///
    /// # Errors
    /// The error of the file system; the old tar is then still the cached one.
    pub fn store(&self, tar: &Verified<TempFile>) -> Result<()> {
        let digest = tar.sha256();
        let name = digest.get(..16).unwrap_or(&digest);
        self.replace_tar(tar.file(), tar.signature(), name)
            .context(|| format!("store the tar in the cache {}", self.dir.display()))
    }

    /// Makes a verified local tar the cached one, by a symbolic link to it. Its signature stays
    /// next to it.
    ///
    /// # Errors
    /// The error of the file system; the old tar is then still the cached one.
    pub fn link(&self, tar: &Verified<LocalTar>) -> Result<()> {
        let path = tar.file().path();
        // The target must be valid for a process whose root is `self.root`.
        let target = Path::new("/").join(path.strip_prefix(self.root.dir()).unwrap_or(path));
        self.link_tar(&target).context(|| {
            let (dir, path) = (self.dir.display(), path.display());
            format!("link the cache {dir} to {path}")
        })
    }

    /// Stores the signature that verified the cached tar next to it, for the next start without a
    /// network.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn store_signature(&self, tar: &Verified<CachedTar>) -> Result<()> {
        let Some(signature) = tar.signature() else {
            return Ok(());
        };
        let path = signature_path(&tar.file().path);
        atomic_write(&path, 0o600, signature).context(|| format!("write {}", path.display()))
    }
}
