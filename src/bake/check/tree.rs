//! A tree that is not the running host's: its symbolic links mean what they will mean once it is
//! one, as after chroot(2).

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::root::Root;
use crate::sys::file::open_regular_nofollow;

/// The kernel's own limit (path_resolution(7)).
const LINKS: u32 = 40;
/// The largest file that is read whole, in bytes.
const LIMIT: u64 = 8 * 1024 * 1024;

/// An image's tree. All paths are the image's.
pub struct Tree<'r> {
    root: &'r Root,
}

impl<'r> Tree<'r> {
    pub fn new(root: &'r Root) -> Self {
        Tree { root }
    }

    pub fn root(&self) -> &'r Root {
        self.root
    }

    /// The same path without symbolic links, relative to the root. It must exist.
    pub fn resolve(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let mut real = PathBuf::new();
        let mut rest = backwards(path.as_ref());
        let mut links = 0;
        while let Some(name) = rest.pop() {
            match name.to_str() {
                Some("/") => real = PathBuf::new(),
                Some(".") => {}
                Some("..") => {
                    real.pop();
                }
                _ => {
                    let next = real.join(&name);
                    let here = self.root.at(&next);
                    if !fs::symlink_metadata(&here)?.is_symlink() {
                        real = next;
                        continue;
                    }
                    links += 1;
                    if links > LINKS {
                        return Err(io::Error::other("too many symbolic links"));
                    }
                    let target = fs::read_link(&here)?;
                    rest.extend(backwards(&target));
                }
            }
        }
        Ok(real)
    }

    /// Where the file behind all links lies on this machine.
    pub fn real(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        Ok(self.root.at(self.resolve(path)?))
    }

    /// Of the file behind all links.
    pub fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        fs::symlink_metadata(self.real(path)?)
    }

    /// The path itself, which may be a link; those above it are resolved.
    pub fn itself(&self, path: &Path) -> io::Result<PathBuf> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.real(path);
        };
        Ok(self.real(parent)?.join(name))
    }

    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        open_regular_nofollow(&self.real(path)?)
    }

    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.take(LIMIT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LIMIT {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "it is too large to be looked through",
            ));
        }
        Ok(bytes)
    }

    /// The names in a directory, sorted.
    pub fn names(&self, directory: impl AsRef<Path>) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.real(directory)?)? {
            names.push(entry?.file_name());
        }
        names.sort();
        Ok(names)
    }
}

/// A path's components, the last first.
fn backwards(path: &Path) -> Vec<OsString> {
    let names = path.components().rev();
    names.map(|c| c.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_inside() {
        let dir = TempDir::new("tree");
        let root = Root::new(dir.path());
        let tree = Tree::new(&root);
        fs::create_dir_all(root.at("/usr/lib")).unwrap();
        fs::write(root.at("/usr/lib/file"), "inside").unwrap();
        for (link, target) in [
            ("/lib", "usr/lib"),
            ("/abs", "/usr/lib"),
            ("/out", "../../../../usr/lib"),
            ("/usr/up", "../abs/../lib/./file"),
            ("/passwd", "/etc/passwd"),
            ("/circle", "circle"),
        ] {
            symlink(target, root.at(link)).unwrap();
        }
        let end = Path::new("usr/lib/file");
        for path in [
            "/lib/file",
            "/abs/file",
            "/out/file",
            "/usr/up",
            "/../lib/file",
        ] {
            assert_eq!(tree.resolve(path).unwrap(), end, "{path}");
            assert_eq!(tree.read(path).unwrap(), b"inside");
        }
        let missing = tree.read("/passwd").unwrap_err();
        assert_eq!(
            missing.kind(),
            ErrorKind::NotFound,
            "the build machine's file"
        );
        assert!(tree.resolve("/circle").is_err());
        assert_eq!(tree.itself(Path::new("/lib")).unwrap(), root.at("/lib"));
    }
}
