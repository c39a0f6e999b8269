//! New entries of a tree under temporary names, complete and synced; then under their own.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use super::Want;
use super::tar::TAR_MODE;
use super::undo_log::UndoLog;
use crate::error::{Context, Error, Result};
use crate::fs::{TempFile, unique_path};

/// One step of a plan, ready to be committed. Dropped without that, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Staged {
    place: PathBuf,
    new: Entry,
}

/// What a path will be.
#[derive(Debug)]
enum Entry {
    /// A directory, which exists: it is in the undo log.
    Directory,
    File(TempFile),
    Link(TempLink),
    Absent,
}

impl Staged {
    /// Writes what should be at `place` next to it; makes directories at once.
    ///
    /// # Errors
    /// The file system returned an error, or the tar changed after its verification.
    pub fn new(place: PathBuf, want: Want, undo_log: &mut UndoLog) -> Result<Staged> {
        let dir = place.parent().unwrap_or(Path::new("/"));
        undo_log.create_directory(dir, 0o755)?;
        let context = || format!("write {}", place.display());
        let new = match want {
            Want::Directory { mode } => {
                undo_log.create_directory(&place, mode)?;
                Entry::Directory
            }
            Want::File { mode, owner, bytes } => {
                let write = || {
                    let file = TempFile::create(dir)?;
                    file.file().write_all(&bytes)?;
                    if let Some((user, group)) = owner {
                        fchown(file.file(), Some(user), Some(group))?;
                    }
                    complete(file, mode)
                };
                Entry::File(write().context(context)?)
            }
            Want::Tar(tar) => {
                let file = tar.into_temp_file(dir)?;
                Entry::File(complete(file, TAR_MODE).context(context)?)
            }
            Want::Link { target } => {
                Entry::Link(TempLink::create(&target, &place).context(context)?)
            }
            Want::Absent => Entry::Absent,
            Want::Line { .. } | Want::NoLine { .. } => {
                let why = format!("{}: a line that no plan resolved", place.display());
                return Err(Error::invalid(why));
            }
        };
        Ok(Staged { place, new })
    }

    /// Renames it to its place.
    ///
    /// # Errors
    /// The file system returned an error; `undo_log` can restore what was there.
    pub fn commit(self, undo_log: &mut UndoLog) -> Result<()> {
        let place = &self.place;
        match self.new {
            Entry::Directory => Ok(()),
            Entry::File(file) => undo_log.replace(place, || file.persist(place)),
            Entry::Link(link) => undo_log.replace(place, || fs::rename(&link.0, place)),
            Entry::Absent => undo_log.remove(place),
        }
    }
}

fn complete(file: TempFile, mode: u32) -> io::Result<TempFile> {
    file.file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    file.file().sync_all()?;
    Ok(file)
}

/// A symbolic link under a temporary name.
#[derive(Debug)]
struct TempLink(PathBuf);

impl TempLink {
    fn create(target: &Path, place: &Path) -> io::Result<TempLink> {
        let path = unique_path(place)?;
        symlink(target, &path)?;
        Ok(TempLink(path))
    }
}

impl Drop for TempLink {
    fn drop(&mut self) {
        // Fails after the rename, which is intended.
        let _ = fs::remove_file(&self.0);
    }
}
