//! Replacing the cached tar, atomically.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Cache, TAR};
use crate::fs::{TempFile, if_exists};
use crate::sys::file::sync_directory;
use crate::types::signature_path;

/// The new link before its rename. Only the holder of the directory's lock creates or removes it.
const NEW_LINK: &str = ".ecs-init-link.part";

impl Cache {
    /// Writes signature, tar and link, each synced before the next. `digest` is the first 16 hex
    /// digits of the tar's SHA-256.
    pub(super) fn replace_tar(
        &self,
        tar: &TempFile,
        signature: Option<&[u8]>,
        digest: &str,
    ) -> io::Result<()> {
        let dir = self.dir();
        let _lock = self.lock()?;
        let name = format!("ecs-agent-{digest}.tar");
        let target = dir.join(&name);
        kill_point();
        if let Some(signature) = signature {
            let temp = TempFile::create(dir)?;
            kill_point();
            temp.file().write_all(signature)?;
            kill_point();
            temp.persist(&signature_path(&target))?;
        }
        kill_point();
        tar.persist(&target)?;
        kill_point();
        // The link must not reach the disk before its target.
        sync_directory(dir)?;
        kill_point();
        self.swap_symlink(Path::new(&name))
    }

    /// Makes the tar at `target` the cached one, without a copy.
    pub(super) fn link_tar(&self, target: &Path) -> io::Result<()> {
        let _lock = self.lock()?;
        self.swap_symlink(target)
    }

    /// Locks the cache: two processes at the same time would remove each other's tars.
    fn lock(&self) -> io::Result<File> {
        let lock = File::open(self.dir())?;
        lock.lock()?;
        Ok(lock)
    }

    /// Swaps the link, then removes its old target.
    fn swap_symlink(&self, target: &Path) -> io::Result<()> {
        let dir = self.dir();
        let new = dir.join(NEW_LINK);
        remove_if_exists(&new)?;
        symlink(target, &new)?;
        kill_point();
        fs::rename(&new, dir.join(TAR))?;
        kill_point();
        sync_directory(dir)?;
        kill_point();
        // Not an error: the new tar is stored, and the old one only uses disk space.
        if let Err(e) = self.remove_others(target) {
            log::warn!("cannot remove an old tar from {}: {e}", dir.display());
        }
        Ok(())
    }

    /// Removes the tars of earlier downloads, and the signature of a tar that was not a link.
    fn remove_others(&self, target: &Path) -> io::Result<()> {
        remove_if_exists(&signature_path(&self.dir().join(TAR)))?;
        kill_point();
        for entry in fs::read_dir(self.dir())? {
            let other = entry?.file_name();
            let Some(other) = other.to_str() else {
                continue;
            };
            let tar = other.strip_suffix(".asc").unwrap_or(other);
            if Path::new(tar) != target && is_stored_name(tar) {
                remove_if_exists(&self.dir().join(other))?;
                kill_point();
            }
        }
        Ok(())
    }
}

/// Whether [`Cache::replace_tar`] makes this name. The names in Amazon's packages have a version
/// or eight digits.
fn is_stored_name(name: &str) -> bool {
    name.strip_prefix("ecs-agent-")
        .and_then(|n| n.strip_suffix(".tar"))
        .is_some_and(|d| d.len() == 16 && d.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn remove_if_exists(path: &Path) -> io::Result<()> {
    if_exists(fs::remove_file(path)).map(drop)
}

/// A point at which the tests kill the process.
#[cfg(test)]
fn kill_point() {
    super::tests::stop_at_last_step();
}

#[cfg(not(test))]
fn kill_point() {}
