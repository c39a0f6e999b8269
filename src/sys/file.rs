//! Opening files with the flags that std does not name.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a regular file for reading. `O_NONBLOCK` so that a FIFO in its place cannot hold us.
///
/// # Errors
/// What open(2) answered, or `InvalidInput` for anything that is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(path, libc::O_NONBLOCK)
}

/// As [`open_regular`], and the last component must be no symbolic link (`O_NOFOLLOW`).
///
/// # Errors
/// As [`open_regular`]; ELOOP for a symbolic link.
pub fn open_regular_nofollow(path: &Path) -> io::Result<File> {
    regular(path, libc::O_NONBLOCK | libc::O_NOFOLLOW)
}

/// All of a regular file, as [`open_regular_nofollow`] opens it.
///
/// # Errors
/// As there, or what read(2) answered.
pub fn read_regular_nofollow(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular_nofollow(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn regular(path: &Path, flags: i32) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ))
    }
}

/// Opens a file for writing, made if it is not there, that nobody else may open (mode 0600). What
/// is in it stays. A symbolic link in its place is not followed.
///
/// # Errors
/// What open(2) answered; ELOOP for a symbolic link.
pub fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Makes a directory's entries last through a power cut (fsync(2) on the directory).
///
/// # Errors
/// What open(2) or fsync(2) answered.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn only_regular_files_open() {
        let dir = TempDir::new("open");
        let file = dir.path().join("file");
        let link = dir.path().join("link");
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        assert!(open_regular(&file).is_ok());
        assert!(open_regular(&link).is_ok());
        assert!(open_regular_nofollow(&file).is_ok());
        assert!(open_regular_nofollow(&link).is_err());
        assert!(open_regular(dir.path()).is_err());
        assert!(open_regular(Path::new("/dev/null")).is_err());
    }
}
