//! File operations for the harness.

use serde_json::{Value, json};
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Largest answer of one `read` in bytes.
const LIMIT: u64 = 4 << 20;

/// The bytes of a file from `offset` on, read without its size, which is 0 in `/proc`.
///
/// # Errors
/// Errors of opening or reading.
pub fn read(path: &str, offset: u64) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    if offset > 0 {
        file.seek(SeekFrom::Start(offset))?;
    }
    let mut data = Vec::new();
    file.take(LIMIT).read_to_end(&mut data)?;
    Ok(data)
}

/// Writes a file, creating its parent directories.
///
/// # Errors
/// Errors of creating or writing.
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

/// Removes a file, or a directory with its content, if it exists.
///
/// # Errors
/// Errors of removing.
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

/// Type, size, mode and link target of a path, without following links; `null` if nothing exists.
///
/// # Errors
/// Errors of `lstat(2)` other than `ENOENT`.
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

/// The sorted names in a directory.
///
/// # Errors
/// Errors of reading the directory.
pub fn list(path: &str) -> io::Result<Vec<String>> {
    let mut names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}
