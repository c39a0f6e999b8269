//! `/var/cache/ecs`: the tar that the next start loads without asking anybody.
//!
//! ```text
//! state                             "1": see State
//! ecs-agent.tar                     the cached tar, or a link to it
//!   → ecs-agent-<16 hex digits>.tar ours, named by the first of its SHA-256
//!     ecs-agent-<…>.tar.asc         its signature, always beside what the link names
//!   → /elsewhere/on/the/host.tar    or the tar that the configuration names
//! .ecs-init-<…>.part                unfinished; nobody's but its writer's
//! ```
//!
//! The link is what changes hands: all else is written and synced before it is swapped by one
//! rename(2), and what it named before is removed only after. So whoever comes in between, or
//! after a power cut, finds the old tar with the old signature or the new with the new.

mod commit;
pub mod desired;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Kind, Result};
use crate::fetch::download::Download;
use crate::fs::{TempFile, atomic_write, remove_stale};
use crate::sys::file::open_regular;
use crate::types::{AgentVersion, Root, TarSource, UnverifiedTar, read_signature, signature_path};
use crate::verify::Verified;

/// The cache's directory; the agent's own updates go there, too.
pub const DIRECTORY: &str = "/var/cache/ecs";
/// The name under which everybody, the reference among them, looks for the tar.
pub const TAR: &str = "ecs-agent.tar";
/// Where the agent says which tar it wants to be updated to.
pub(crate) const DESIRED: &str = "desired-image";

/// What the state file says, as the reference reads and writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// 0, or no state, or no tar: fetch one.
    Uncached,
    /// 1: the tar is there and was loaded; load it only if Docker has lost the image.
    Cached,
    /// 2: the tar is there, put by a package: load it even if Docker has an image.
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

/// The cache's directory.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    root: Root,
}

/// The cached tar, open but not verified.
#[derive(Debug)]
pub struct CachedTar {
    file: File,
    signature: Option<Vec<u8>>,
    /// What `ecs-agent.tar` is: itself, or what it links to.
    target: PathBuf,
}

impl Cache {
    /// The cache below this root.
    #[must_use]
    pub fn new(root: &Root) -> Cache {
        Cache {
            dir: root.at(DIRECTORY),
            root: root.clone(),
        }
    }

    /// The same with the directory where it really lies: in a tree whose links are not to be
    /// followed by this machine.
    #[must_use]
    pub fn lying_in(dir: PathBuf, root: &Root) -> Cache {
        let root = root.clone();
        Cache { dir, root }
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What there is. A state that makes no sense is pointed out and counts as none.
    #[must_use]
    pub fn state(&self) -> State {
        let path = self.dir.join("state");
        let tar = fs::metadata(self.dir.join(TAR));
        if !tar.is_ok_and(|m| m.is_file() && m.len() > 0) {
            return State::Uncached;
        }
        let again = "the tar is fetched anew";
        match fs::read(&path) {
            Ok(text) => match text.trim_ascii() {
                b"1" => State::Cached,
                b"2" => State::ReloadNeeded,
                b"" | b"0" => State::Uncached,
                _ => {
                    log::warn!("{}: neither 0, 1 nor 2; {again}", path.display());
                    State::Uncached
                }
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => State::Uncached,
            Err(e) => {
                log::warn!("{}: {e}; {again}", path.display());
                State::Uncached
            }
        }
    }

    /// Writes the state. Makes the directory if it is not there: a tar that was no download
    /// needs none.
    ///
    /// # Errors
    /// If it cannot be written; the old state is then there.
    pub fn set_state(&self, state: State) -> Result<()> {
        let path = self.dir.join("state");
        fs::create_dir_all(&self.dir)
            .and_then(|()| atomic_write(&path, state.digit().as_bytes()))
            .context(|| format!("write {}", path.display()))
    }

    /// Opens the cached tar, and its signature if one lies beside it.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn open(&self) -> Result<CachedTar> {
        let path = self.dir.join(TAR);
        let target = match fs::read_link(&path) {
            Ok(link) if link.is_absolute() => self.root.at(link),
            Ok(link) => self.dir.join(link),
            Err(_) => path.clone(),
        };
        let doing = || format!("open the cached tar {}", path.display());
        let file = open_regular(&target).context(doing)?;
        let mut signature = read_signature(&signature_path(&target))?;
        if signature.is_none() && target != path {
            signature = read_signature(&signature_path(&path))?;
        }
        Ok(CachedTar {
            file,
            signature,
            target,
        })
    }

    /// A new, empty file for a download, after what died in the middle was swept away. Makes the
    /// directory if it is not there.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn part(&self) -> Result<TempFile> {
        fs::create_dir_all(&self.dir)
            .and_then(|()| remove_stale(&self.dir))
            .and_then(|()| TempFile::create(&self.dir))
            .context(|| format!("make a file in {}", self.dir.display()))
    }

    /// Makes a verified download the cached tar. The state is another file: see
    /// [`Cache::set_state`].
    ///
    /// # Errors
    /// If the file system will not, or if what was verified is another tar. Until the last step
    /// the old tar is the cached one.
    pub fn keep(&self, download: Download, proof: &Verified) -> Result<()> {
        if proof.source() != download.source() {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "{} was verified, not {}; it does not go to the cache",
                    proof.source(),
                    download.source()
                ),
            ));
        }
        let digest = proof.sha256();
        let name = digest.get(..16).unwrap_or(&digest);
        self.commit(download, name).context(|| {
            format!(
                "put the verified tar into the cache ({})",
                self.dir.display()
            )
        })
    }

    /// Makes a verified tar that lies elsewhere on this host the cached one, by a link: the next
    /// start finds it, and its signature beside it, without a copy of it.
    ///
    /// # Errors
    /// If the file system will not, or if what was verified is no such tar.
    pub fn adopt(&self, proof: &Verified) -> Result<()> {
        let TarSource::File(path) = proof.source() else {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "{} was verified, which is no tar of this host's; the cache does not link to it",
                    proof.source()
                ),
            ));
        };
        // As the host sees it, not as we do through our root.
        let target = Path::new("/").join(path.strip_prefix(self.root.dir()).unwrap_or(path));
        self.commit_link(&target).context(|| {
            format!(
                "link the cache ({}) to {}",
                self.dir.display(),
                path.display()
            )
        })
    }

    /// Keeps the signature that was fetched for the cached tar, for the next start without a
    /// network.
    ///
    /// # Errors
    /// If it cannot be written, or if what was verified is another tar.
    pub fn keep_signature(&self, signature: &[u8], proof: &Verified) -> Result<()> {
        let TarSource::Cache(target) = proof.source() else {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "{} was verified, not the cached tar; its signature does not go to the cache",
                    proof.source()
                ),
            ));
        };
        let path = signature_path(target);
        atomic_write(&path, signature).context(|| format!("write {}", path.display()))
    }
}

impl CachedTar {
    /// The version that the name of the tar says, as Amazon's packages name it:
    /// `ecs-agent-v1.99.0.tar`. It is no proof, but tells which signature to fetch.
    #[must_use]
    pub fn version(&self) -> Option<AgentVersion> {
        version(self.target.file_name()?.to_str()?)
    }

    /// Whether a signature lies beside it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// Hands it to verifying; `fetched` is a signature from elsewhere, if none lies beside it.
    #[must_use]
    pub fn acquired(self, fetched: Option<Vec<u8>>) -> UnverifiedTar {
        UnverifiedTar::new(
            self.file,
            self.signature.or(fetched),
            TarSource::Cache(self.target),
        )
    }
}

/// The version in a tar's name; `latest` is none.
pub(crate) fn version(name: &str) -> Option<AgentVersion> {
    let name = name.strip_prefix("ecs-agent-")?.strip_suffix(".tar")?;
    let name = name.strip_prefix("arm64-").unwrap_or(name);
    name.parse().ok().filter(|v| *v != AgentVersion::Latest)
}

/// The version in a tar's name, where another release or build is wanted.
pub(crate) fn other_version(name: &str, wanted: &AgentVersion) -> Option<AgentVersion> {
    let is_latest = *wanted == AgentVersion::Latest;
    version(name).filter(|named| !is_latest && named != wanted)
}
