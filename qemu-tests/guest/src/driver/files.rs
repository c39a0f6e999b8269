//! The file system, as the harness sees it.

use serde_json::{Value, json};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Most that one `read` gives, in bytes: an answer is one line.
const LIMIT: u64 = 4 << 20;

/// The bytes of a file from `offset` on; sizes in `/proc` are not believed.
///
/// # Errors
/// What opening or reading gave.
pub fn read(path: &str, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    if offset > 0 {
        file.seek(SeekFrom::Start(offset))?;
    }
    let mut data = Vec::new();
    file.take(LIMIT).read_to_end(&mut data)?;
    Ok(data)
}

/// Writes a file whole, with the directories above it.
///
/// # Errors
/// What creating or writing gave.
pub fn write(path: &str, data: &[u8], mode: Option<u32>) -> io::Result<()> {
    if let Some(parent) = Path::new(path).parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, data)?;
    match mode {
        Some(mode) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        None => Ok(()),
    }
}

/// Removes a file, or a directory with all that is in it; nothing there is no error.
///
/// # Errors
/// What removing gave.
pub fn remove(path: &str) -> io::Result<()> {
    let done = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// What stands at a path, symbolic links not followed; `null` for nothing.
///
/// # Errors
/// What looking gave, but for absence.
pub fn stat(path: &str) -> io::Result<Value> {
    let meta = match fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Value::Null),
        Err(error) => return Err(error),
    };
    let kind = meta.file_type();
    let kind = match () {
        () if kind.is_dir() => "directory",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "symlink",
        () if kind.is_socket() => "socket",
        () => "other",
    };
    Ok(json!({
        "type": kind,
        "size": meta.len(),
        "mode": meta.mode() & 0o7777,
        "target": fs::read_link(path).ok().map(|target| target.to_string_lossy().into_owned()),
    }))
}

/// The names in a directory, in order.
///
/// # Errors
/// What listing gave.
pub fn list(path: &str) -> io::Result<Vec<String>> {
    let mut names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
