//! Compares changes with a tree. The changes that are still needed are a [`Plan`], which is staged,
//! then committed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::stage::Staged;
use super::tar::TAR_MODE;
use super::tree::Tree;
use super::undo_log::UndoLog;
use super::{Change, Want, ecs_config, lines};
use crate::error::{Context, Error, Result};
use crate::fs::{if_exists, sha256};
use crate::sys::file::open_regular_nofollow;

/// The changes that the tree still needs, in the order in which they are made.
#[derive(Debug, Default)]
pub(super) struct Plan {
    steps: Vec<Step>,
}

/// One change to be made.
#[derive(Debug)]
struct Step {
    /// The path on this machine.
    real_path: PathBuf,
    /// Lines are resolved: this is never [`Want::Line`] or [`Want::NoLine`].
    want: Want,
}

impl Plan {
    /// Adds those changes that the tree still needs. Several lines of one file become one step.
    ///
    /// # Errors
    /// A directory is where a file should be or the other way round, or the tree cannot be read.
    pub fn add(&mut self, changes: impl IntoIterator<Item = Change>, tree: &Tree) -> Result<()> {
        for Change { path, want } in changes {
            let real_path = real_path(&path, &want, tree)?;
            let planned = self
                .steps
                .iter_mut()
                .find(|step| step.real_path == real_path);
            if let (Want::Line { .. } | Want::NoLine { .. }, Some(step)) = (&want, planned) {
                if let Want::File { bytes, .. } = &mut step.want
                    && let Some(new) = edited(bytes.to_vec(), &want)
                {
                    *bytes = new.into();
                }
                continue;
            }
            if let Some(want) = pending(&real_path, want, tree)? {
                self.steps.push(Step { real_path, want });
            }
        }
        Ok(())
    }

    /// Whether the tree is already as it should be.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The planned content of a file; `None` if the plan does not write it.
    pub fn content(&self, real_path: &Path) -> Option<&[u8]> {
        self.steps.iter().find_map(|step| match &step.want {
            Want::File { bytes, .. } if step.real_path == real_path => Some(&**bytes),
            _ => None,
        })
    }

    /// Makes the directories, and writes everything else under temporary names.
    ///
    /// # Errors
    /// The file system returned an error; only the directories in `undo_log` then remain.
    pub fn stage(self, undo_log: &mut UndoLog) -> Result<Vec<Staged>> {
        let steps = self.steps.into_iter();
        steps
            .map(|step| Staged::new(step.real_path, step.want, undo_log))
            .collect()
    }
}

/// The path on this machine. A link is followed if the change is to a directory, to a line of a
/// file, or to the user's configuration; otherwise the link itself is replaced.
fn real_path(path: &Path, want: &Want, tree: &Tree) -> Result<PathBuf> {
    match want {
        Want::Directory { .. } | Want::Line { .. } | Want::NoLine { .. } => tree.follow(path),
        _ if path == Path::new(ecs_config::PATH) => tree.follow(path),
        _ => tree.entry(path),
    }
}

/// The change that is still needed at this path; `None` if it is as wanted.
fn pending(real_path: &Path, want: Want, tree: &Tree) -> Result<Option<Want>> {
    let context = || format!("read {}", real_path.display());
    let found = if_exists(fs::symlink_metadata(real_path)).context(context)?;
    let is_directory = found.as_ref().is_some_and(fs::Metadata::is_dir);
    let is_done = match &want {
        Want::Directory { .. } => is_directory,
        Want::Absent => found.is_none(),
        Want::Link { target } => {
            let is_link = found.as_ref().is_some_and(fs::Metadata::is_symlink);
            is_link && fs::read_link(real_path).context(context)? == *target
        }
        Want::File { mode, bytes, .. } => {
            let length = bytes.len() as u64;
            let same = |m: &fs::Metadata| m.is_file() && is_kept(m, *mode, length, tree);
            found.as_ref().is_some_and(same) && fs::read(real_path).context(context)? == **bytes
        }
        Want::Tar(tar) => match open_regular_nofollow(real_path) {
            Ok(file) => {
                let metadata = file.metadata().context(context)?;
                is_kept(&metadata, TAR_MODE, tar.verified().len(), tree)
                    && sha256(file).context(context)?.to_string() == tar.verified().sha256()
            }
            Err(_) => false,
        },
        Want::Line { .. } | Want::NoLine { .. } => {
            let old = match &found {
                Some(metadata) if metadata.is_file() => fs::read(real_path).context(context)?,
                Some(_) => {
                    let why = format!("{} is not a regular file: move it", real_path.display());
                    return Err(Error::invalid(why));
                }
                None => Vec::new(),
            };
            let file = |bytes: Vec<u8>| Want::File {
                mode: found.as_ref().map_or(0o644, |m| m.mode() & 0o7777),
                owner: found.as_ref().map(|m| (m.uid(), m.gid())),
                bytes: bytes.into(),
            };
            return Ok(edited(old, &want).map(file));
        }
    };
    if is_done {
        return Ok(None);
    }
    // A directory is never replaced, and never replaces anything.
    if is_directory || found.is_some() && matches!(want, Want::Directory { .. }) {
        let wanted = if is_directory {
            "a file"
        } else {
            "a directory"
        };
        return Err(Error::invalid(format!(
            "{} must be {wanted}: move what is there",
            real_path.display()
        )));
    }
    Ok(Some(want))
}

/// The text with or without a line; `None` if it is as wanted.
fn edited(old: Vec<u8>, want: &Want) -> Option<Vec<u8>> {
    match want {
        Want::Line { text, before } => lines::insert(old, text, *before),
        Want::NoLine { text } => lines::remove(&old, text),
        _ => None,
    }
}

/// Whether a file with the right content may stay.
fn is_kept(metadata: &fs::Metadata, mode: u32, length: u64, tree: &Tree) -> bool {
    metadata.mode() & 0o7777 == mode
        && metadata.len() == length
        && tree.owner_is_trusted(metadata.uid())
}
