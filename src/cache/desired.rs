//! The tar that the agent fetched for its own update, and asks for with exit 42. The agent writes
//! its name to the file `desired-image` in the cache's directory.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Cache, DESIRED};
use crate::error::{Context, Error, Kind, Result};
use crate::sys::file::{open_regular, open_regular_nofollow};
use crate::types::{TarSource, UnverifiedTar, read_signature, signature_path};

/// A name is read from the first so many bytes.
const LIMIT: u64 = 4096;

/// Opens the tar that `desired-image` names, and its signature if one lies beside it.
///
/// # Errors
/// If there is no such file, if it names nothing in the cache's directory, or if that is no
/// regular file. A link is none: it could lead anywhere.
pub fn desired(cache: &Cache) -> Result<UnverifiedTar> {
    let path = cache.dir().join(DESIRED);
    let doing = || format!("read {}, which names the agent's update", path.display());
    let file = open_regular(&path).context(doing)?;
    let mut text = Vec::new();
    file.take(LIMIT).read_to_end(&mut text).context(doing)?;
    let name = name(&text)
        .map_err(|why| Error::new(Kind::InvalidInput, format!("{}: {why}", path.display())))?;

    let tar = cache.dir().join(name);
    let file = open_regular_nofollow(&tar)
        .context(|| format!("open the agent's update {}", tar.display()))?;
    let signature = read_signature(&signature_path(&tar))?;
    Ok(UnverifiedTar::new(file, signature, TarSource::Update(tar)))
}

/// The file's name: the last part of the first line, as the reference takes it. What is left
/// names an entry of a directory, and never leaves it.
fn name(text: &[u8]) -> Result<&Path, &'static str> {
    let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii();
    let name = line.rsplit(|b| *b == b'/').next().unwrap_or_default();
    match name {
        b"" => Err("its first line names no file"),
        b"." | b".." => Err("its first line names a directory, not a file"),
        name if name.contains(&0) => Err("its first line holds a NUL byte"),
        name => Ok(Path::new(OsStr::from_bytes(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use crate::types::Root;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn names_never_leave_the_directory() {
        for (text, expected) in [
            ("a.tar\n", Ok("a.tar")),
            ("  a.tar \r\nb.tar", Ok("a.tar")),
            ("/var/cache/ecs/a.tar", Ok("a.tar")),
            ("../../etc/shadow", Ok("shadow")),
            ("..", Err(())),
            ("a/..", Err(())),
            (".", Err(())),
            ("a/", Err(())),
            ("/", Err(())),
            ("", Err(())),
            ("\na.tar", Err(())),
            ("a\0b", Err(())),
        ] {
            let got = name(text.as_bytes()).map_err(|_| ());
            assert_eq!(got, expected.map(Path::new), "{text:?}");
        }
    }

    #[test]
    fn only_a_regular_file_in_the_cache_will_do() {
        let dir = TempDir::new("desired");
        let cache = Cache::new(&Root::new(dir.path()));
        let here = |name: &str| cache.dir().join(name);
        fs::create_dir_all(cache.dir()).unwrap();
        let refused = || desired(&cache).unwrap_err().to_string();

        assert!(refused().contains("desired-image"), "{}", refused());
        fs::write(here("desired-image"), "update.tar\n").unwrap();
        assert!(refused().contains("update.tar"), "{}", refused());
        fs::write(dir.path().join("elsewhere"), "x").unwrap();
        symlink(dir.path().join("elsewhere"), here("update.tar")).unwrap();
        assert!(refused().contains("update.tar"), "{}", refused());
        fs::remove_file(here("update.tar")).unwrap();
        fs::create_dir(here("update.tar")).unwrap();
        assert!(refused().contains("not a regular file"), "{}", refused());
        fs::remove_dir(here("update.tar")).unwrap();

        fs::write(here("update.tar"), "tar").unwrap();
        let found = desired(&cache).unwrap();
        assert_eq!(found.source(), &TarSource::Update(here("update.tar")));
        assert_eq!(found.signature(), None);
        fs::write(here("update.tar.asc"), "sig").unwrap();
        assert_eq!(desired(&cache).unwrap().signature(), Some(&b"sig"[..]));
    }
}
