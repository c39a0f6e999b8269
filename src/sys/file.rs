//! Opens files with flags that std does not name.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a regular file for reading. `O_NONBLOCK`: a FIFO in its place must not block.
///
/// # Errors
/// From open(2); `InvalidInput` if it is not a regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(path, libc::O_NONBLOCK)
}

/// Like [`open_regular`], but does not follow a symbolic link in the last component (`O_NOFOLLOW`).
///
/// # Errors
/// Those of [`open_regular`]; ELOOP for a symbolic link.
pub fn open_regular_nofollow(path: &Path) -> io::Result<File> {
    regular(path, libc::O_NONBLOCK | libc::O_NOFOLLOW)
}

/// Reads a whole regular file, opened with [`open_regular_nofollow`].
///
/// # Errors
/// Those of [`open_regular_nofollow`], and from read(2).
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

/// Opens a file for writing and keeps its content. A missing file is created with mode 0600. A
/// symbolic link is not followed.
///
/// # Errors
/// From open(2); ELOOP for a symbolic link.
pub fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Writes a directory's entries to the disk (fsync(2)), so that they survive a power failure.
///
/// # Errors
/// From open(2) or fsync(2).
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn open_regular_rejects_directories_devices_and_nofollow_symlinks() {
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
