//! The tree: where a path of the image's host lies on this machine, and nothing outside.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Context, Error, Kind, Result};
use crate::types::Root;

/// As many links does Linux follow on one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// An image's root tree. Every symbolic link on the way to a path is followed as the image's own
/// kernel will, an absolute one from the tree's root: `etc -> /etc` never leads to the build
/// machine. The tree is the builder's own: it must not be changed by others meanwhile.
#[derive(Debug, Clone)]
pub struct Tree {
    dir: PathBuf,
}

/// Whether anything, be it a link to nothing, has this name on this machine.
///
/// # Errors
/// It cannot be looked at.
pub fn exists(path: &Path) -> Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e).context(|| format!("look at {}", path.display())),
    }
}

/// Nobody else bakes the tree as long as it lives.
#[derive(Debug)]
#[must_use]
pub struct Lock(Option<File>);

impl Drop for Lock {
    fn drop(&mut self) {
        // Not by closing it alone: a child that somebody forks meanwhile holds it open, too.
        if let Some(Err(error)) = self.0.as_ref().map(File::unlock) {
            log::warn!("the tree's lock cannot be let go: {error}");
        }
    }
}

impl Tree {
    /// The tree at this directory.
    ///
    /// # Errors
    /// If there is no such directory.
    pub fn open(dir: &Path) -> Result<Tree> {
        let doing = || format!("open the tree {}", dir.display());
        let real = fs::canonicalize(dir).context(doing)?;
        if !real.is_dir() {
            return Err(Error::with_source(
                Kind::InvalidInput,
                doing(),
                Error::new(Kind::InvalidInput, "it is no directory"),
            ));
        }
        Ok(Tree { dir: real })
    }

    /// Keeps another `bake` from this tree as long as the answer lives: each would sweep away what
    /// the other needs to undo its work. Nothing of it stays in the tree.
    ///
    /// # Errors
    /// Another is at work.
    pub fn lock(&self) -> Result<Lock> {
        let dir = self.dir.display();
        let lock = File::open(&self.dir).context(|| format!("open the tree {dir}"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Lock(Some(lock))),
            Err(TryLockError::WouldBlock) => Err(Error::new(
                Kind::InvalidInput,
                format!("another bake is at work in {dir}: wait for its end"),
            )),
            Err(TryLockError::Error(error)) => {
                log::warn!("{dir}: cannot be locked, and no other bake may work in it: {error}");
                Ok(Lock(None))
            }
        }
    }

    /// Who has the tree: root, or the builder who unpacked it without being root.
    #[must_use]
    pub fn owner(&self) -> u32 {
        fs::metadata(&self.dir).map_or(0, |meta| meta.uid())
    }

    /// The tree as a root.
    #[must_use]
    pub fn root(&self) -> Root {
        Root::new(&self.dir)
    }

    /// Where the entry of this name lies: links above it are followed, it is not. What does not
    /// exist yet lies where it would be made.
    ///
    /// # Errors
    /// Something on the way is no directory, cannot be read, or the links go round in a circle.
    pub fn entry(&self, path: &Path) -> Result<PathBuf> {
        self.resolve(path, false)
    }

    /// Where what this name stands for lies: it is followed, too.
    ///
    /// # Errors
    /// As [`Tree::entry`].
    pub fn follow(&self, path: &Path) -> Result<PathBuf> {
        self.resolve(path, true)
    }

    /// Whether this name stands for `/dev/null`, be that in the tree or not.
    #[must_use]
    pub fn is_null(&self, path: &Path) -> bool {
        self.follow(path)
            .is_ok_and(|place| place == self.dir.join("dev/null"))
    }

    fn resolve(&self, path: &Path, follow: bool) -> Result<PathBuf> {
        self.walk(path, follow)
            .context(|| format!("find {} in {}", path.display(), self.dir.display()))
    }

    fn walk(&self, path: &Path, follow: bool) -> io::Result<PathBuf> {
        let mut to_go = reversed(path);
        let (mut at, mut depth, mut links) = (self.dir.clone(), 0_usize, 0);
        while let Some(name) = to_go.pop() {
            if name == ".." {
                // Above the root is the root.
                if depth > 0 {
                    at.pop();
                    depth -= 1;
                }
                continue;
            }
            at.push(&name);
            depth += 1;
            let last = to_go.is_empty();
            let meta = match fs::symlink_metadata(&at) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                meta => meta?,
            };
            if meta.is_symlink() && (follow || !last) {
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
                to_go.extend(reversed(&target));
            } else if !meta.is_dir() && !last {
                let why = format!("{} is no directory", at.display());
                return Err(io::Error::new(io::ErrorKind::NotADirectory, why));
            }
        }
        Ok(at)
    }
}

/// The names in a path, the last one first, `..` among them.
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
    fn no_link_leads_out_of_the_tree() {
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
        for (path, why) in [("/loop/x", "too many"), ("/file/x", "file is no directory")] {
            let error = tree.entry(path.as_ref()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
