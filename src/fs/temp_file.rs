//! Temporary files. Each is locked by its writer: [`remove_stale`] removes only files without a
//! lock, whose writer has died.

use std::borrow::Borrow;
use std::cell::Cell;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys::file::{open_regular_nofollow, sync_directory};
use crate::sys::random::random;

/// Temporary names are `.ecs-init-<16 hex digits>.part`.
const PREFIX: &str = ".ecs-init-";
const SUFFIX: &str = ".part";

/// A temporary file. Dropping it removes it, unless [`TempFile::persist`] renamed it.
#[derive(Debug)]
pub struct TempFile {
    file: File,
    path: PathBuf,
    persisted: Cell<bool>,
}

impl TempFile {
    /// Creates an empty file in `dir`, mode 0600, and locks it.
    ///
    /// # Errors
    /// The error of open(2) or flock(2).
    pub fn create(dir: &Path) -> io::Result<TempFile> {
        loop {
            let path = temp_path(dir)?;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            let temp = TempFile {
                file,
                path,
                persisted: Cell::new(false),
            };
            temp.file.lock()?;
            // Between open and lock another process may have removed it as stale.
            if temp.file.metadata()?.nlink() > 0 {
                return Ok(temp);
            }
        }
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the content to the disk, then renames the file to `path`, replacing what was there.
    /// The caller syncs the directory.
    ///
    /// # Errors
    /// The error of fsync(2) or rename(2); the file then keeps its temporary name.
    pub fn persist(&self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        self.persisted.set(true);
        Ok(())
    }
}

impl Borrow<File> for TempFile {
    fn borrow(&self) -> &File {
        &self.file
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.persisted.get() {
            // If this fails, the next `remove_stale` removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// An unused temporary path next to `path`, for a symbolic link or a backup to be renamed.
///
/// # Errors
/// The kernel returned no random bytes.
pub(crate) fn unique_path(path: &Path) -> io::Result<PathBuf> {
    temp_path(path.parent().unwrap_or(Path::new("/")))
}

fn temp_path(dir: &Path) -> io::Result<PathBuf> {
    Ok(dir.join(format!("{PREFIX}{:016x}{SUFFIX}", random()?)))
}

/// Writes a file with this mode atomically: after a crash it has the old content or the new.
///
/// # Errors
/// The error of the file system; the file then has its old content.
pub(crate) fn atomic_write(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let temp = TempFile::create(dir)?;
    temp.file().write_all(content)?;
    temp.file().set_permissions(Permissions::from_mode(mode))?;
    temp.persist(path)?;
    sync_directory(dir)
}

/// Removes the temporary files that dead processes left in `dir`: those that no process has
/// locked.
///
/// # Errors
/// The directory cannot be read, or a link in it cannot be removed. A file that cannot be removed
/// is logged and kept.
pub(crate) fn remove_stale(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_temp = name
            .to_str()
            .is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX));
        if !is_temp {
            continue;
        }
        let path = entry.path();
        // A symbolic link cannot be locked. It is renamed immediately after its creation, therefore
        // this one is stale.
        if entry.file_type()?.is_symlink() {
            fs::remove_file(&path)?;
            continue;
        }
        let Ok(file) = open_regular_nofollow(&path) else {
            continue;
        };
        if file.try_lock().is_ok() {
            match fs::remove_file(&path) {
                Ok(()) => log::info!("removed stale temporary file {}", path.display()),
                Err(e) => log::warn!("cannot remove stale temporary file {}: {e}", path.display()),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use std::os::unix::fs::PermissionsExt;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn drop_removes_temp_file() {
        let dir = TempDir::new("temp_file");
        drop(TempFile::create(dir.path()).unwrap());
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn atomic_write_replaces_content() {
        let dir = TempDir::new("temp_file");
        atomic_write(&dir.path().join("x"), 0o644, b"old").unwrap();
        atomic_write(&dir.path().join("x"), 0o600, b"new").unwrap();
        assert_eq!(names(dir.path()), ["x"]);
        assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"new");
        let mode = fs::metadata(dir.path().join("x")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn remove_stale_keeps_locked_and_foreign_files() {
        let dir = TempDir::new("temp_file");
        let locked = TempFile::create(dir.path()).unwrap();
        let stale = dir.path().join(".ecs-init-0123456789abcdef.part");
        fs::write(&stale, "half").unwrap();
        fs::write(dir.path().join("other.part"), "foreign").unwrap();
        std::os::unix::fs::symlink("other.part", dir.path().join(".ecs-init-x.part")).unwrap();
        remove_stale(dir.path()).unwrap();
        assert!(!stale.exists());
        assert!(locked.path.exists());
        assert_eq!(names(dir.path()).len(), 2);
    }
}
