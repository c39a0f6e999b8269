//! The one way into the cache.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Cache, TAR};
use crate::fetch::download::Download;
use crate::fs::TempFile;
use crate::sys::file::sync_directory;
use crate::types::signature_path;

/// The link on its way. Only who holds the directory's lock makes or removes it.
const LINK: &str = ".ecs-init-link.part";

impl Cache {
    /// Signature, tar, link: each whole and synced before the next. After every step, and within
    /// each, the cache holds the old tar or the new.
    pub(super) fn commit(&self, download: Download, digest: &str) -> io::Result<()> {
        let Download {
            part, signature, ..
        } = download;
        let dir = self.dir();
        let _lock = self.lock()?;
        let name = format!("ecs-agent-{digest}.tar");
        let target = dir.join(&name);
        step();
        let signed = TempFile::create(dir)?;
        step();
        signed.file().write_all(&signature)?;
        step();
        signed.persist(&signature_path(&target))?;
        step();
        part.persist(&target)?;
        step();
        // The link must not reach the disk before what it names.
        sync_directory(dir)?;
        step();
        self.change_hands(Path::new(&name))
    }

    /// Makes a tar that lies elsewhere on the host the cached one, without a copy.
    pub(super) fn commit_link(&self, tar: &Path) -> io::Result<()> {
        let _lock = self.lock()?;
        self.change_hands(tar)
    }

    /// Two of us at once would remove each other's tars.
    fn lock(&self) -> io::Result<File> {
        let lock = File::open(self.dir())?;
        lock.lock()?;
        Ok(lock)
    }

    /// Swaps the link, then removes what it named before.
    fn change_hands(&self, target: &Path) -> io::Result<()> {
        let dir = self.dir();
        self.link(target)?;
        step();
        sync_directory(dir)?;
        step();
        // From here on it is the new one; what is left over costs space and nothing else.
        if let Err(e) = self.remove_others(target) {
            log::warn!("{}: an old tar is left: {e}", dir.display());
        }
        Ok(())
    }

    fn link(&self, target: &Path) -> io::Result<()> {
        let link = self.dir().join(LINK);
        remove(&link)?;
        symlink(target, &link)?;
        step();
        fs::rename(&link, self.dir().join(TAR))
    }

    /// Removes the tars that earlier commits made, and the signature of a tar that was no link.
    fn remove_others(&self, target: &Path) -> io::Result<()> {
        remove(&signature_path(&self.dir().join(TAR)))?;
        step();
        for entry in fs::read_dir(self.dir())? {
            let other = entry?.file_name();
            let Some(other) = other.to_str() else {
                continue;
            };
            let tar = other.strip_suffix(".asc").unwrap_or(other);
            if Path::new(tar) != target && is_ours(tar) {
                remove(&self.dir().join(other))?;
                step();
            }
        }
        Ok(())
    }
}

/// Whether a commit gave this name. Amazon's own have a version, or eight digits.
fn is_ours(name: &str) -> bool {
    name.strip_prefix("ecs-agent-")
        .and_then(|n| n.strip_suffix(".tar"))
        .is_some_and(|d| d.len() == 16 && d.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Removes a file that may be gone already.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A place where the tests let the process die.
#[cfg(test)]
fn step() {
    super::tests::die_if_due();
}

#[cfg(not(test))]
fn step() {}
