//! The tar that the agent downloaded to update itself, and asks for with exit code 42. The agent
//! writes its name to the file `desired-image` in the cache's directory.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Cache, DESIRED_IMAGE};
use crate::error::{Context, Error, Result};
use crate::sys::file::{open_regular, open_regular_nofollow};
use crate::types::{TarSource, UnverifiedTar, read_signature, signature_path};

/// How many bytes of `desired-image` are read.
const LIMIT: u64 = 4096;

impl Cache {
    /// Opens the tar that `desired-image` names and reads its signature, if there is one.
    ///
    /// # Errors
    /// `desired-image` does not exist or names no file; or the named file does not exist in the
    /// cache's directory or is not a regular file. A symbolic link is rejected: its target may be
    /// anywhere.
    pub fn open_update(&self) -> Result<UnverifiedTar> {
        let path = self.dir().join(DESIRED_IMAGE);
        let context = || format!("read {}, which names the agent's update", path.display());
        let file = open_regular(&path).context(context)?;
        let mut text = Vec::new();
        file.take(LIMIT).read_to_end(&mut text).context(context)?;
        let name =
            file_name(&text).map_err(|why| Error::invalid(format!("{}: {why}", path.display())))?;

        let tar = self.dir().join(name);
        let file = open_regular_nofollow(&tar)
            .context(|| format!("open the agent's update {}", tar.display()))?;
        let signature = read_signature(&signature_path(&tar))?;
        Ok(UnverifiedTar::new(file, signature, TarSource::Update(tar)))
    }
}

/// The last path component of the first line, as in Amazon's ecs-init. It has no `/` and is not
/// `..`: the file is always in the cache's directory.
fn file_name(text: &[u8]) -> Result<&Path, &'static str> {
    let line = text.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii();
    let name = line.rsplit(|b| *b == b'/').next().unwrap_or_default();
    match name {
        b"" => Err("the first line names no file"),
        b"." | b".." => Err("the first line names a directory, not a file"),
        name if name.contains(&0) => Err("the first line contains a NUL byte"),
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
    fn desired_image_name_stays_in_directory() {
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
            let got = file_name(text.as_bytes()).map_err(|_| ());
            assert_eq!(got, expected.map(Path::new), "{text:?}");
        }
    }

    #[test]
    fn update_must_be_regular_file_in_cache() {
        let dir = TempDir::new("update");
        let cache = Cache::new(&Root::new(dir.path()));
        let in_cache = |name: &str| cache.dir().join(name);
        fs::create_dir_all(cache.dir()).unwrap();
        let error_text = || cache.open_update().unwrap_err().to_string();

        assert!(error_text().contains("desired-image"), "{}", error_text());
        fs::write(in_cache("desired-image"), "update.tar\n").unwrap();
        assert!(error_text().contains("update.tar"), "{}", error_text());
        fs::write(dir.path().join("elsewhere"), "x").unwrap();
        symlink(dir.path().join("elsewhere"), in_cache("update.tar")).unwrap();
        assert!(error_text().contains("update.tar"), "{}", error_text());
        fs::remove_file(in_cache("update.tar")).unwrap();
        fs::create_dir(in_cache("update.tar")).unwrap();
        assert!(
            error_text().contains("not a regular file"),
            "{}",
            error_text()
        );
        fs::remove_dir(in_cache("update.tar")).unwrap();

        fs::write(in_cache("update.tar"), "tar").unwrap();
        let found = cache.open_update().unwrap();
        assert_eq!(found.source(), &TarSource::Update(in_cache("update.tar")));
        assert_eq!(found.signature(), None);
        fs::write(in_cache("update.tar.asc"), "sig").unwrap();
        assert_eq!(cache.open_update().unwrap().signature(), Some(&b"sig"[..]));
    }
}
