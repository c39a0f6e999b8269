//! Writes new entries of a tree under temporary names and syncs them, then renames them.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use super::Want;
use super::tar::TAR_MODE;
use super::undo_log::UndoLog;
use crate::error::{Context, Error, Result};
use crate::fs::{TempFile, unique_path};

/// One step of a plan, ready to be committed. Dropping it removes its temporary file.
#[derive(Debug)]
pub(super) struct Staged {
    real_path: PathBuf,
    entry: StagedEntry,
}

/// The new entry at a path.
#[derive(Debug)]
enum StagedEntry {
    /// A directory, which exists: it is in the undo log.
    Directory,
    File(TempFile),
    Link(TempLink),
    Absent,
}

impl Staged {
    /// Writes the new entry for `real_path` to the same directory, under a temporary name. Creates
    /// directories immediately.
    ///
    /// # Errors
    /// The file system returned an error, or the tar changed after its verification.
    pub fn new(real_path: PathBuf, want: Want, undo_log: &mut UndoLog) -> Result<Staged> {
        let dir = real_path.parent().unwrap_or(Path::new("/"));
        undo_log.create_directory(dir, 0o755)?;
        let context = || format!("write {}", real_path.display());
        let entry = match want {
            Want::Directory { mode } => {
                undo_log.create_directory(&real_path, mode)?;
                StagedEntry::Directory
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
                StagedEntry::File(write().context(context)?)
            }
            Want::Tar(tar) => {
                let file = tar.into_temp_file(dir)?;
                StagedEntry::File(complete(file, TAR_MODE).context(context)?)
            }
            Want::Link { target } => {
                StagedEntry::Link(TempLink::create(&target, &real_path).context(context)?)
            }
            Want::Absent => StagedEntry::Absent,
            Want::Line { .. } | Want::NoLine { .. } => {
                let why = format!("{}: a line that no plan resolved", real_path.display());
                return Err(Error::invalid(why));
            }
        };
        Ok(Staged { real_path, entry })
    }

    /// Renames the entry to its real path.
    ///
    /// # Errors
    /// The file system returned an error; `undo_log` can restore what was there.
    pub fn commit(self, undo_log: &mut UndoLog) -> Result<()> {
        let real_path = &self.real_path;
        match self.entry {
            StagedEntry::Directory => Ok(()),
            StagedEntry::File(file) => undo_log.replace(real_path, || file.persist(real_path)),
            StagedEntry::Link(link) => {
                undo_log.replace(real_path, || fs::rename(&link.0, real_path))
            }
            StagedEntry::Absent => undo_log.remove(real_path),
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
    fn create(target: &Path, real_path: &Path) -> io::Result<TempLink> {
        let path = unique_path(real_path)?;
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
