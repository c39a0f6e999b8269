//! An item against what lies in the tree: is it there already, can it be put there, and how.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use super::agent::Agent;
use super::journal::Journal;
use super::tree::Tree;
use super::{Content, Item, settings};
use crate::error::{Context, Error, Kind, Result};
use crate::fs::sha256;
use crate::fs::{TempFile, unique_path};
use crate::sys::file::open_regular_nofollow;

/// Permission bits of the tar and its signature, as in Amazon's packages.
const TAR_MODE: u32 = 0o644;

/// Something that is not there yet.
#[derive(Debug)]
pub struct Target<'a> {
    /// Where it will lie on this machine.
    path: PathBuf,
    matter: Matter<'a>,
}

#[derive(Debug)]
enum Matter<'a> {
    Directory(u32),
    File {
        mode: u32,
        bytes: Cow<'a, [u8]>,
        /// The user and group of the file that gets a line more.
        owner: Option<(u32, u32)>,
    },
    Link(&'a Path),
    Tar,
    Nothing,
}

impl<'a> Target<'a> {
    /// What is to be done for an item; `None` if it is there as it should be.
    ///
    /// # Errors
    /// Something is in its way, or the tree cannot be read.
    pub fn of(item: &'a Item, tree: &Tree) -> Result<Option<Target<'a>>> {
        let follow = matches!(
            item.content,
            Content::Directory { .. } | Content::Line { .. } | Content::NoLine { .. }
        );
        // The user's own may be a link to where they keep it.
        let path = if follow || item.path == Path::new(settings::PATH) {
            tree.follow(&item.path)?
        } else {
            tree.entry(&item.path)?
        };
        let doing = || format!("look at {}", path.display());
        let there = match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            meta => Some(meta.context(doing)?),
        };
        let is_directory = there.as_ref().is_some_and(fs::Metadata::is_dir);
        let matter = match &item.content {
            Content::Directory { mode } => {
                if is_directory {
                    return Ok(None);
                }
                Matter::Directory(*mode)
            }
            Content::File { mode, bytes } => {
                let same = |meta: &fs::Metadata| {
                    meta.is_file()
                        && meta.mode() & 0o7777 == *mode
                        && meta.len() == bytes.len() as u64
                        && fits(meta, tree)
                };
                if there.as_ref().is_some_and(same) && fs::read(&path).context(doing)? == **bytes {
                    return Ok(None);
                }
                Matter::File {
                    mode: *mode,
                    bytes: Cow::Borrowed(bytes),
                    owner: None,
                }
            }
            Content::Link { target } => {
                let link = there.as_ref().is_some_and(fs::Metadata::is_symlink);
                if link && fs::read_link(&path).context(doing)? == *target {
                    return Ok(None);
                }
                Matter::Link(target)
            }
            Content::Line { .. } | Content::NoLine { .. } => {
                let old = match &there {
                    Some(meta) if meta.is_file() => fs::read(&path).context(doing)?,
                    Some(_) => {
                        let why = format!("{} is no regular file: move it", path.display());
                        return Err(Error::new(Kind::InvalidInput, why));
                    }
                    None => Vec::new(),
                };
                let Some(bytes) = edited(old, &item.content) else {
                    return Ok(None);
                };
                Matter::File {
                    mode: there.as_ref().map_or(0o644, |meta| meta.mode() & 0o7777),
                    bytes: bytes.into(),
                    owner: there.as_ref().map(|meta| (meta.uid(), meta.gid())),
                }
            }
            Content::Nothing if there.is_none() => return Ok(None),
            Content::Nothing => Matter::Nothing,
        };
        // A directory is never replaced, nor is anything else by one.
        if there.is_some() && (is_directory || matches!(matter, Matter::Directory(_))) {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "{} is in the way of what is to lie there: move it",
                    path.display()
                ),
            ));
        }
        Ok(Some(Target { path, matter }))
    }

    /// What is to be done for all of these. Of lines in one file it makes one file.
    ///
    /// # Errors
    /// As [`Target::of`].
    pub fn of_all(items: impl Iterator<Item = &'a Item>, tree: &Tree) -> Result<Vec<Target<'a>>> {
        let mut all: Vec<Target<'a>> = Vec::new();
        for item in items {
            let Some(target) = Target::of(item, tree)? else {
                continue;
            };
            let before = all.iter_mut().find(|before| before.path == target.path);
            match (&item.content, before) {
                (Content::Line { .. } | Content::NoLine { .. }, Some(target)) => {
                    target.edit(&item.content);
                }
                _ => all.push(target),
            }
        }
        Ok(all)
    }

    fn edit(&mut self, line: &Content) {
        if let Matter::File { bytes, .. } = &mut self.matter
            && let Some(edited) = edited(bytes.to_vec(), line)
        {
            *bytes = edited.into();
        }
    }

    /// The same for the tar.
    ///
    /// # Errors
    /// As [`Target::of_all`].
    pub fn of_tar(agent: &Agent, tree: &Tree) -> Result<Option<Target<'a>>> {
        let path = tree.entry(&agent.path())?;
        let verified = agent.archive().verified();
        if let Ok(file) = open_regular_nofollow(&path) {
            let doing = || format!("read {}", path.display());
            let meta = file.metadata().context(doing)?;
            if meta.mode() & 0o7777 == TAR_MODE
                && meta.len() == verified.len()
                && fits(&meta, tree)
                && sha256(file).context(doing)?.to_string() == verified.sha256()
            {
                return Ok(None);
            }
        } else if path.is_dir() {
            let why = format!("{} is a directory: move it", path.display());
            return Err(Error::new(Kind::InvalidInput, why));
        }
        let matter = Matter::Tar;
        Ok(Some(Target { path, matter }))
    }

    /// What the file at this place of the machine will hold, if it is this one.
    #[must_use]
    pub fn bytes(&self, path: &Path) -> Option<&[u8]> {
        match &self.matter {
            Matter::File { bytes, .. } if self.path == path => Some(bytes),
            _ => None,
        }
    }

    /// What takes a file away that an earlier `bake` put there.
    #[must_use]
    pub fn removal(path: PathBuf) -> Target<'a> {
        let matter = Matter::Nothing;
        Target { path, matter }
    }

    /// Writes it beside its place, under a name of its own, whole and synced.
    ///
    /// # Errors
    /// The file system will not. Nothing but directories, which are in the journal, is then left.
    pub fn stage(self, agent: Option<&mut Agent>, journal: &mut Journal) -> Result<Staged> {
        let Target { path, matter } = self;
        let dir = path.parent().unwrap_or(Path::new("/"));
        journal.directory(dir, 0o755)?;
        let doing = || format!("write {}", path.display());
        let ready = match matter {
            Matter::Directory(mode) => {
                journal.directory(&path, mode)?;
                Ready::There
            }
            Matter::File { mode, bytes, owner } => {
                let file = || {
                    let part = TempFile::create(dir)?;
                    part.file().write_all(&bytes)?;
                    if let Some((user, group)) = owner {
                        fchown(part.file(), Some(user), Some(group))?;
                    }
                    whole(part, mode)
                };
                Ready::File(file().context(doing)?)
            }
            Matter::Tar => {
                let Some(agent) = agent else {
                    return Err(Error::new(Kind::InvalidInput, "no agent to install"));
                };
                let part = agent.staged(dir)?;
                Ready::File(whole(part, TAR_MODE).context(doing)?)
            }
            Matter::Link(target) => Ready::Link(NewLink::make(target, &path).context(doing)?),
            Matter::Nothing => Ready::Gone,
        };
        Ok(Staged { path, ready })
    }
}

/// A file's text with the line that it must have, or without the one that it must not; `None` if
/// that is how it is.
fn edited(old: Vec<u8>, content: &Content) -> Option<Vec<u8>> {
    match content {
        Content::Line { text, before } => with_line(old, text, *before),
        Content::NoLine { text } => without_line(&old, text),
        _ => None,
    }
}

fn without_line(old: &[u8], line: &str) -> Option<Vec<u8>> {
    let is_it = |other: &&[u8]| other.strip_suffix(b"\n").unwrap_or(other) == line.as_bytes();
    let lines = || old.split_inclusive(|byte| *byte == b'\n');
    let has_it = lines().any(|other| is_it(&other));
    has_it.then(|| {
        lines()
            .filter(|other| !is_it(other))
            .flatten()
            .copied()
            .collect()
    })
}

/// A file's text with this line, before the first that has `before` in it and is no comment, or at
/// its end; `None` if it is one of its lines.
fn with_line(mut old: Vec<u8>, line: &str, before: Option<&str>) -> Option<Vec<u8>> {
    if old
        .split(|byte| *byte == b'\n')
        .any(|l| l == line.as_bytes())
    {
        return None;
    }
    if old.last().is_some_and(|last| *last != b'\n') {
        old.push(b'\n');
    }
    let mut place = 0;
    for other in old.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(other);
        if before.is_some_and(|before| text.contains(before)) && !text.starts_with('#') {
            break;
        }
        place += other.len();
    }
    let added = line.bytes().chain([b'\n']);
    old.splice(place..place, added);
    Some(old)
}

/// Whether it is nobody's who could change it again.
fn fits(meta: &fs::Metadata, tree: &Tree) -> bool {
    meta.uid() == 0 || meta.uid() == tree.owner()
}

fn whole(part: TempFile, mode: u32) -> io::Result<TempFile> {
    part.file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    part.file().sync_all()?;
    Ok(part)
}

/// Something that lies beside its place; gone with its owner unless it is put there.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    ready: Ready,
}

#[derive(Debug)]
enum Ready {
    There,
    File(TempFile),
    Link(NewLink),
    Gone,
}

impl Staged {
    /// Gives it its name.
    ///
    /// # Errors
    /// The file system will not; what was there is in the journal.
    pub fn place(self, journal: &mut Journal) -> Result<()> {
        let path = &self.path;
        match self.ready {
            Ready::There => Ok(()),
            Ready::File(part) => journal.put(path, || part.persist(path)),
            Ready::Link(link) => journal.put(path, || fs::rename(&link.0, path)),
            Ready::Gone => journal.remove(path),
        }
    }
}

/// A link under a name of its own.
#[derive(Debug)]
struct NewLink(PathBuf);

impl NewLink {
    fn make(target: &Path, beside: &Path) -> io::Result<NewLink> {
        let path = unique_path(beside)?;
        symlink(target, &path)?;
        Ok(NewLink(path))
    }
}

impl Drop for NewLink {
    fn drop(&mut self) {
        // Gone from here once it has its name.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::{with_line, without_line};

    #[test]
    fn a_line_is_added_once() {
        for (old, new) in [
            ("", Some("a b\n")),
            ("x\n", Some("x\na b\n")),
            ("x", Some("x\na b\n")),
            ("#a b\na b c\n", Some("#a b\na b c\na b\n")),
            ("x\na b\ny\n", None),
            ("a b", None),
        ] {
            let got = with_line(old.into(), "a b", None);
            assert_eq!(got.as_deref(), new.map(str::as_bytes), "{old:?}");
        }
        for (old, new) in [
            ("x\n#y\ny 1\ny 2", "x\n#y\na b\ny 1\ny 2\n"),
            ("x", "x\na b\n"),
        ] {
            let got = with_line(old.into(), "a b", Some("y")).unwrap();
            assert_eq!(got, new.as_bytes(), "{old:?}");
        }
    }

    #[test]
    fn a_line_is_taken_out_and_no_other() {
        for (old, new) in [
            ("", None),
            ("x\n#a b\na b c", None),
            ("a b", Some("")),
            ("x\na b\ny", Some("x\ny")),
            ("a b\nx\na b\n", Some("x\n")),
        ] {
            let got = without_line(old.as_bytes(), "a b");
            assert_eq!(got.as_deref(), new.map(str::as_bytes), "{old:?}");
        }
    }
}
