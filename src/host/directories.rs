//! The directories that ecs-init creates.

use crate::error::{Context, Error, Result};
use crate::fs::create_directory;
use crate::types::Root;

/// The credentials of a host outside EC2, which the SSM agent renews ("Amazon ECS external
/// instances" in the ECS Developer Guide). Mounted into the agent's container.
pub const ROTATING_CREDENTIALS: &str = "/root/.aws";

/// The mount points of EBS volumes of tasks.
pub(crate) const EBS_DIRECTORY: &str = "/mnt/ecs/ebs";

/// Exists if ECS Exec is installed.
const EXEC: &str = "/var/lib/ecs/deps/execute-command";
/// Where the agent writes the configuration of ECS Exec.
pub(crate) const EXEC_CONFIG: &str = "/var/lib/ecs/deps/execute-command/config";

/// The agent's state. Without it each start would register a new container instance.
const DATA: &str = "/var/lib/ecs/data";

/// The directories that the agent needs, with their modes in Amazon's packages.
pub(crate) const DIRECTORIES: [(&str, u32); 6] = [
    ("/etc/ecs", 0o755),
    ("/var/cache/ecs", 0o755),
    ("/var/lib/ecs", 0o755),
    (DATA, 0o755),
    ("/var/log/ecs", 0o755),
    ("/var/log/ecs/exec", 0o755),
];

/// Creates [`DIRECTORIES`], and the one for ECS Exec if it is installed; existing ones are not
/// changed. Returns the errors of those that could not be created, for example on a read-only root:
/// the agent runs without them (see [`crate::agent::plan`]).
///
/// # Errors
/// The directory of the agent's state could not be created.
pub(crate) fn make_directories(root: &Root) -> Result<Vec<Error>> {
    let mut failed = Vec::new();
    let exec = root.at(EXEC).is_dir().then_some((EXEC_CONFIG, 0o755));
    for (path, mode) in DIRECTORIES.into_iter().chain(exec) {
        match make_directory(root, path, mode) {
            Ok(()) => {}
            Err(error) if path == DATA => return Err(error),
            Err(error) => failed.push(error),
        }
    }
    Ok(failed)
}

/// Creates a directory below `root`, as [`create_directory`] does.
///
/// # Errors
/// The error of [`create_directory`], with the path.
pub(crate) fn make_directory(root: &Root, path: &str, mode: u32) -> Result<()> {
    let path = root.at(path);
    create_directory(&path, mode).context(|| format!("create the directory {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::TempDir;

    fn mode(root: &Root, path: &str) -> u32 {
        fs::metadata(root.at(path)).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn missing_directories_get_package_modes_and_existing_ones_keep_theirs() {
        let dir = TempDir::new("directories");
        let root = Root::new(dir.path());
        fs::create_dir_all(root.at(EXEC)).unwrap();
        fs::create_dir_all(root.at("/var/log/ecs")).unwrap();
        fs::set_permissions(root.at("/var/log/ecs"), Permissions::from_mode(0o700)).unwrap();
        assert!(make_directories(&root).unwrap().is_empty());
        for (path, _) in DIRECTORIES {
            let expected = if path == "/var/log/ecs" { 0o700 } else { 0o755 };
            assert_eq!(mode(&root, path), expected, "{path}");
        }
        assert_eq!(mode(&root, EXEC_CONFIG), 0o755);
    }

    #[test]
    fn exec_config_only_with_ecs_exec() {
        let dir = TempDir::new("directories");
        let root = Root::new(dir.path());
        make_directories(&root).unwrap();
        assert!(!root.at("/var/lib/ecs/deps").exists());
    }

    /// A file instead of a directory simulates a read-only root: modes do not apply to root.
    #[test]
    fn only_state_directory_is_required() {
        let dir = TempDir::new("directories");
        let root = Root::new(dir.path());
        fs::write(root.at("/etc"), "").unwrap();
        let failed = make_directories(&root).unwrap();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].to_string().contains("/etc/ecs"), "{failed:?}");
        assert!(root.at("/var/log/ecs/exec").is_dir());
        fs::remove_dir(root.at("/var/lib/ecs/data")).unwrap();
        fs::write(root.at("/var/lib/ecs/data"), "").unwrap();
        let error = make_directories(&root).unwrap_err();
        assert!(error.to_string().contains("/var/lib/ecs/data"), "{error}");
    }
}
