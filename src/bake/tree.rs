//! An image's root tree: maps a path in the image to its real path, the path on this machine without
//! symbolic links.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::fs::if_exists;
use crate::sys::file::open_regular_nofollow;
use crate::types::Root;

/// The maximum number of symbolic links in one path, as in Linux (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// The largest file that [`Tree::read`] reads, in bytes.
const READ_LIMIT: u64 = 8 * 1024 * 1024;

/// An image's root tree. Symbolic links are followed as the image's own kernel will follow them, an
/// absolute one from the tree's root: `etc -> /etc` never leads to the build machine. No other
/// process may change the tree meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    dir: PathBuf,
}

/// Whether this path on this machine exists. A dangling link exists.
///
/// # Errors
/// The error of lstat(2), except ENOENT.
pub(super) fn exists(path: &Path) -> Result<bool> {
    let found = if_exists(fs::symlink_metadata(path));
    Ok(found
        .context(|| format!("read {}", path.display()))?
        .is_some())
}

/// An exclusive lock on a tree, released when it is dropped.
#[derive(Debug)]
pub(super) struct Lock(Option<File>);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child process may have inherited the file.
        if let Some(Err(error)) = self.0.as_ref().map(File::unlock) {
            log::warn!("cannot unlock the tree: {error}");
        }
    }
}

impl Tree {
    /// The tree at this directory.
    ///
    /// # Errors
    /// It is not a directory.
    pub fn open(dir: &Path) -> Result<Tree> {
        let context = || format!("open the tree {}", dir.display());
        let dir = fs::canonicalize(dir).context(context)?;
        // Fails with ENOTDIR if it is not a directory.
        fs::read_dir(&dir).context(context)?;
        Ok(Tree { dir })
    }

    /// Locks the tree against other bakes: each would remove the backups and temporary files of the
    /// other. Creates no lock file.
    ///
    /// # Errors
    /// Another bake holds the lock.
    pub fn lock(&self) -> Result<Lock> {
        let dir = self.dir.display();
        let lock = File::open(&self.dir).context(|| format!("open the tree {dir}"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Lock(Some(lock))),
            Err(TryLockError::WouldBlock) => Err(Error::unavailable(format!(
                "another bake is changing {dir}: try again when it has finished"
            ))),
            Err(TryLockError::Error(error)) => {
                log::warn!("cannot lock {dir} ({error}): make sure that no other bake runs on it");
                Ok(Lock(None))
            }
        }
    }

    /// Its directory, without symbolic links.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The tree as a root.
    pub fn root(&self) -> Root {
        Root::new(&self.dir)
    }

    /// The user ID of the tree's owner: root, or an unprivileged user who unpacked it.
    pub fn owner(&self) -> u32 {
        fs::metadata(&self.dir).map_or(0, |metadata| metadata.uid())
    }

    /// Whether a file of this user may stay in the tree: any other user could change it later.
    pub fn owner_is_trusted(&self, user: u32) -> bool {
        user == 0 || user == self.owner()
    }

    /// The real path of the entry itself: links in the parent directories are followed, a link at the
    /// end is not. The entry need not exist.
    ///
    /// # Errors
    /// A parent is not a directory or cannot be read, or the path has too many links.
    pub fn entry(&self, path: &Path) -> Result<PathBuf> {
        self.resolve(path, false).context(|| self.resolving(path))
    }

    /// The real path of the target: all links are followed. The target need not exist.
    ///
    /// # Errors
    /// As [`Tree::entry`].
    pub fn follow(&self, path: &Path) -> Result<PathBuf> {
        self.resolve(path, true).context(|| self.resolving(path))
    }

    /// The path in the image of the target of this path; `None` if the target does not exist.
    pub fn target_in_image(&self, path: &Path) -> Option<PathBuf> {
        let real_path = self.resolve(path, true).ok()?;
        fs::symlink_metadata(&real_path).ok()?;
        Some(self.in_image(&real_path))
    }

    /// The path in the image of a path on this machine.
    pub fn in_image(&self, real_path: &Path) -> PathBuf {
        Path::new("/").join(real_path.strip_prefix(&self.dir).unwrap_or(real_path))
    }

    /// Whether this path leads to the image's `/dev/null`, which need not exist.
    pub fn is_null(&self, path: &Path) -> bool {
        self.resolve(path, true)
            .is_ok_and(|real_path| real_path == self.dir.join("dev/null"))
    }

    /// The metadata of the target of a path.
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        fs::symlink_metadata(self.resolve(path, true)?)
    }

    /// Opens the regular file to which a path leads.
    pub fn open_file(&self, path: &Path) -> io::Result<File> {
        open_regular_nofollow(&self.resolve(path, true)?)
    }

    /// Reads the regular file to which a path leads.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.open_file(path)?;
        file.take(READ_LIMIT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > READ_LIMIT {
            let why = format!("larger than {READ_LIMIT} bytes");
            return Err(io::Error::new(ErrorKind::FileTooLarge, why));
        }
        Ok(bytes)
    }

    /// The names in a directory, sorted.
    pub fn names(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(self.resolve(directory, true)?)?;
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn resolving(&self, path: &Path) -> String {
        format!("resolve {} in {}", path.display(), self.dir.display())
    }

    /// As [`Tree::follow`] or [`Tree::entry`].
    pub fn resolve(&self, path: &Path, follow: bool) -> io::Result<PathBuf> {
        let mut rest = reversed(path);
        let (mut at, mut depth, mut links) = (self.dir.clone(), 0_usize, 0);
        while let Some(name) = rest.pop() {
            if name == ".." {
                // The parent of the root is the root.
                if depth > 0 {
                    at.pop();
                    depth -= 1;
                }
                continue;
            }
            at.push(&name);
            depth += 1;
            let is_last = rest.is_empty();
            let Some(metadata) = if_exists(fs::symlink_metadata(&at))? else {
                continue;
            };
            if metadata.is_symlink() && (follow || !is_last) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(io::Error::other("too many symbolic links"));
                }
                let target = fs::read_link(&at)?;
                if target.is_absolute() {
                    (at, depth) = (self.dir.clone(), 0);
                } else {
                    at.pop();
                    depth -= 1;
                }
                rest.extend(reversed(&target));
            } else if !metadata.is_dir() && !is_last {
                let why = format!("{} is not a directory", at.display());
                return Err(io::Error::new(ErrorKind::NotADirectory, why));
            }
        }
        Ok(at)
    }
}

/// The names in a path, the last one first; `..` is a name.
fn reversed(path: &Path) -> Vec<OsString> {
    let names = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn links_stay_inside_the_tree() {
        let dir = TempDir::new("tree");
        let top = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(top.join("tree/usr/lib")).unwrap();
        fs::create_dir_all(top.join("outside")).unwrap();
        let tree = Tree::open(&top.join("tree")).unwrap();
        let link = |target: &str, name: &str| {
            symlink(target, top.join("tree").join(name)).unwrap();
        };
        link("usr/lib", "lib");
        link("/usr", "abs");
        link(top.join("outside").to_str().unwrap(), "out");
        link("../../../outside", "up");
        link("loop", "loop");
        link("/not/there", "dangling");
        fs::write(top.join("tree/file"), "").unwrap();
        let in_tree = |path: &str| top.join("tree").join(path);
        let outside = top.join("outside");
        let outside = outside.strip_prefix("/").unwrap().to_str().unwrap();
        for (path, entry, follow) in [
            ("/usr/x", "usr/x", "usr/x"),
            ("/lib/a/b", "usr/lib/a/b", "usr/lib/a/b"),
            ("/abs/lib/x", "usr/lib/x", "usr/lib/x"),
            ("/abs/../../../lib/x", "usr/lib/x", "usr/lib/x"),
            ("/lib", "lib", "usr/lib"),
            ("/dangling", "dangling", "not/there"),
            ("/dangling/x", "not/there/x", "not/there/x"),
            ("/up/x", "outside/x", "outside/x"),
            ("/out", "out", outside),
        ] {
            assert_eq!(tree.entry(path.as_ref()).unwrap(), in_tree(entry), "{path}");
            let followed = tree.follow(path.as_ref()).unwrap();
            assert_eq!(followed, in_tree(follow), "{path}");
        }
        for (path, why) in [
            ("/loop/x", "too many"),
            ("/file/x", "file is not a directory"),
        ] {
            let error = tree.entry(path.as_ref()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
