//! Files on their way into the cache: under a name of their own until they are whole. A lock says
//! whose is still being written, so that the next start can tell a dead process's from a living
//! one's.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::sys::random::random;

/// What the names of our unfinished files begin and end with.
const PREFIX: &str = ".ecs-init-";
const SUFFIX: &str = ".part";

/// A file that is gone with its owner, unless it gets its name first.
#[derive(Debug)]
pub struct Part {
    file: File,
    path: PathBuf,
    named: bool,
}

impl Part {
    /// A new file in this directory, mode 0600, locked.
    ///
    /// # Errors
    /// What open(2) or flock(2) answered.
    pub fn create(dir: &Path) -> io::Result<Part> {
        loop {
            let path = name_in(dir)?;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            let part = Part {
                file,
                path,
                named: false,
            };
            part.file.lock()?;
            // Between open and lock another process's sweep may have taken it for a dead one's.
            if part.file.metadata()?.nlink() > 0 {
                return Ok(part);
            }
        }
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes the content last through a power cut, then gives the file its name, in place of
    /// what had it. The directory's entry lasts only after its own fsync.
    ///
    /// # Errors
    /// What fsync(2) or rename(2) answered; the file is then gone.
    pub fn persist(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, path)?;
        self.named = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.named {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A name that nobody has, beside `path`: for what has no file of its own to hold open, such as a
/// link on its way.
///
/// # Errors
/// If the kernel has no random numbers.
pub fn name_beside(path: &Path) -> io::Result<PathBuf> {
    name_in(path.parent().unwrap_or(Path::new("/")))
}

fn name_in(dir: &Path) -> io::Result<PathBuf> {
    Ok(dir.join(format!("{PREFIX}{:016x}{SUFFIX}", random()?)))
}

/// Gives a file this content: the old one or the new one is there at any time, never a half.
///
/// # Errors
/// What the file system answered; then the old one is there.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let part = Part::create(dir)?;
    part.file().write_all(content)?;
    part.persist(path)?;
    crate::sys::file::sync_directory(dir)
}

/// Removes what processes that died left unfinished in this directory. Only our own files, and
/// none that a living process holds locked.
///
/// # Errors
/// If the directory cannot be read; a file that cannot be removed is left.
pub fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(SUFFIX));
        if !ours {
            continue;
        }
        let path = entry.path();
        // A link that was never put in its place; nobody holds one.
        if entry.file_type()?.is_symlink() {
            fs::remove_file(&path)?;
            continue;
        }
        let Ok(file) = crate::sys::file::open_regular_nofollow(&path) else {
            continue;
        };
        if file.try_lock().is_ok() {
            match fs::remove_file(&path) {
                Ok(()) => log::info!("removed {}, left by a download cut off", path.display()),
                Err(e) => log::warn!("{}: cannot be removed: {e}", path.display()),
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
    fn a_part_is_gone_with_its_owner() {
        let dir = TempDir::new("part");
        drop(Part::create(dir.path()).unwrap());
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_part_with_a_name_stays() {
        let dir = TempDir::new("part");
        replace(&dir.path().join("x"), b"old").unwrap();
        replace(&dir.path().join("x"), b"new").unwrap();
        assert_eq!(names(dir.path()), ["x"]);
        assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"new");
        let mode = fs::metadata(dir.path().join("x")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn only_what_the_dead_left_is_swept() {
        let dir = TempDir::new("part");
        let living = Part::create(dir.path()).unwrap();
        let dead = dir.path().join(".ecs-init-0123456789abcdef.part");
        fs::write(&dead, "half").unwrap();
        fs::write(dir.path().join("other.part"), "not ours").unwrap();
        std::os::unix::fs::symlink("other.part", dir.path().join(".ecs-init-x.part")).unwrap();
        sweep(dir.path()).unwrap();
        assert!(!dead.exists());
        assert!(living.path.exists());
        assert_eq!(names(dir.path()).len(), 2);
    }
}
