//! Directories with a given mode.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Creates a directory with this mode, whatever the umask, and missing parents with mode 0755. An
/// existing directory is not changed.
///
/// # Errors
/// The error of mkdir(2) or chmod(2).
pub(crate) fn create_directory(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => create_directory(parent, 0o755)?,
        _ => {}
    }
    match DirBuilder::new().mode(mode).create(path) {
        // Another process created it first.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        done => done?,
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn parents_have_mode_755() {
        let dir = TempDir::new("directory");
        let path = dir.path().join("a/b/c");
        create_directory(&path, 0o700).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let modes: Vec<_> = path.ancestors().take(3).map(mode).collect();
        assert_eq!(modes, [0o700, 0o755, 0o755]);
    }

    #[test]
    fn existing_directory_keeps_its_mode() {
        let dir = TempDir::new("directory");
        let path = dir.path().join("a");
        create_directory(&path, 0o700).unwrap();
        create_directory(&path, 0o755).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }
}
