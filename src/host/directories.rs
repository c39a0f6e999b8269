//! The directories that are ours to make.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::error::{Context, Result};
use crate::types::Root;

/// Where a host outside EC2 has its credentials, which the SSM agent renews ("Amazon ECS external
/// instances" in the ECS Developer Guide). The agent's container has them from the same place.
pub const ROTATING_CREDENTIALS: &str = "/root/.aws";

/// Where EBS volumes of tasks are mounted.
pub const EBS_DIRECTORY: &str = "/mnt/ecs/ebs";

/// Where ECS Exec lies if it is installed.
const EXEC: &str = "/var/lib/ecs/deps/execute-command";
/// What the agent writes where ECS Exec is installed. With the reference, Docker makes it.
pub const EXEC_CONFIG: &str = "/var/lib/ecs/deps/execute-command/config";

/// The one without which the agent must not run: its registration lies there, and without it each
/// start would be a new instance of the cluster.
const DATA: &str = "/var/lib/ecs/data";

/// Directories that the agent needs, with the modes that Amazon's packages give them.
pub const DIRECTORIES: [(&str, u32); 6] = [
    ("/etc/ecs", 0o755),
    ("/var/cache/ecs", 0o755),
    ("/var/lib/ecs", 0o755),
    (DATA, 0o755),
    ("/var/log/ecs", 0o755),
    ("/var/log/ecs/exec", 0o755),
];

/// Makes the directories that must exist; those that do are left as they are. On a root that
/// cannot be written, what is there is used: the answer has one line for each that is not there,
/// and what the agent goes without is said by its plan.
///
/// # Errors
/// The directory of the agent's state could not be made.
pub fn make_directories(root: &Root) -> Result<Vec<String>> {
    let mut failed = Vec::new();
    let exec = root.at(EXEC).is_dir().then_some((EXEC_CONFIG, 0o755));
    for (path, mode) in DIRECTORIES.into_iter().chain(exec) {
        match make_directory(root, path, mode) {
            Ok(()) => {}
            Err(error) if path == DATA => return Err(error),
            Err(error) => failed.push(error.to_string()),
        }
    }
    Ok(failed)
}

/// Makes one directory and those above it, if it is not there.
///
/// # Errors
/// What stopped it, with the path.
pub fn make_directory(root: &Root, path: &str, mode: u32) -> Result<()> {
    let path = root.at(path);
    make(&path, mode).context(|| format!("make the directory {}", path.display()))
}

/// Those above it are everybody's way to what lies there, whatever the mode of this one.
fn make(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => make(above, 0o755)?,
        _ => {}
    }
    match DirBuilder::new().mode(mode).create(path) {
        // Somebody else was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        done => done?,
    }
    // What the umask took away: a hardened init has one of 077.
    fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn mode(root: &Root, path: &str) -> u32 {
        fs::metadata(root.at(path)).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn made_with_the_packages_modes_and_those_there_are_left_alone() {
        let dir = TempDir::new("directories");
        let root = Root::new(dir.path());
        fs::create_dir_all(root.at(EXEC)).unwrap();
        fs::create_dir_all(root.at("/var/log/ecs")).unwrap();
        fs::set_permissions(root.at("/var/log/ecs"), Permissions::from_mode(0o700)).unwrap();
        assert_eq!(make_directories(&root).unwrap(), [""; 0]);
        for (path, _) in DIRECTORIES {
            let expected = if path == "/var/log/ecs" { 0o700 } else { 0o755 };
            assert_eq!(mode(&root, path), expected, "{path}");
        }
        assert_eq!(mode(&root, EXEC_CONFIG), 0o755);
    }

    #[test]
    fn those_above_are_for_everybody() {
        let dir = TempDir::new("directories");
        let root = Root::new(dir.path());
        make_directory(&root, "/a/b/c", 0o700).unwrap();
        let modes = ["/a", "/a/b", "/a/b/c"].map(|path| mode(&root, path));
        assert_eq!(modes, [0o755, 0o755, 0o700]);
    }

    #[test]
    fn without_exec_there_is_nothing_to_configure() {
        let dir = TempDir::new("directories");
        let root = Root::new(dir.path());
        make_directories(&root).unwrap();
        assert!(!root.at("/var/lib/ecs/deps").exists());
    }

    /// A file in a directory's place stands for any root that cannot be written: this test runs
    /// as root, whom modes do not stop.
    #[test]
    fn only_the_agents_state_is_indispensable() {
        let dir = TempDir::new("directories");
        let root = Root::new(dir.path());
        fs::write(root.at("/etc"), "").unwrap();
        let failed = make_directories(&root).unwrap();
        assert!(
            failed.len() == 1 && failed[0].contains("/etc/ecs"),
            "{failed:?}"
        );
        assert!(root.at("/var/log/ecs/exec").is_dir());
        fs::remove_dir(root.at("/var/lib/ecs/data")).unwrap();
        fs::write(root.at("/var/lib/ecs/data"), "").unwrap();
        let error = make_directories(&root).unwrap_err().to_string();
        assert!(error.contains("/var/lib/ecs/data"), "{error}");
    }
}
