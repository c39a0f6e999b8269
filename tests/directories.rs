//! The directories that `pre-start` makes: under a hardened umask, and on a root that cannot be
//! written. The latter needs root, for a mount namespace; `ECS_INIT_TEST_SKIP=namespaces` skips it.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use ecs_init::testing::TempDir;

/// A root in memory with what an image brings, read-only from then on; then the program.
const SCRIPT: &str = r#"
mount -t tmpfs tmpfs "$1"
mkdir -p $3
mount -o remount,ro "$1"
cd "$1"
exec "$2" pre-start
"#;

/// What `pre-start` says on a root with these directories. No dockerd is there: that it is asked
/// for one shows that the directories did not stop it.
fn pre_start(directories: &[&str]) -> String {
    let root = TempDir::new("readonly");
    let made: Vec<_> = directories
        .iter()
        .map(|d| format!("{}{d}", root.path().display()))
        .collect();
    let done = Command::new("unshare")
        .args(["--mount", "sh", "-ec", SCRIPT, "sh"])
        .arg(root.path())
        .arg(env!("CARGO_BIN_EXE_ecs-init"))
        .arg(made.join(" "))
        .env("ECS_INIT_ROOT", root.path())
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("ECS_INIT_DOCKER_WAIT", "0")
        .output()
        .expect("run unshare (util-linux)");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(255), "{said}");
    said
}

#[test]
fn the_packages_modes_whatever_the_umask() {
    let root = TempDir::new("umask");
    let done = Command::new("sh")
        .args(["-c", "umask 077; exec \"$0\" pre-start"])
        .arg(env!("CARGO_BIN_EXE_ecs-init"))
        .env("ECS_INIT_ROOT", root.path())
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("ECS_INIT_DOCKER_WAIT", "0")
        .output()
        .expect("run sh");
    assert_eq!(done.status.code(), Some(255));
    for path in [
        "var",
        "var/lib",
        "var/lib/ecs",
        "var/lib/ecs/data",
        "var/log/ecs/exec",
        "var/cache/ecs",
        "etc/ecs",
    ] {
        let mode = std::fs::metadata(root.path().join(path))
            .expect(path)
            .mode();
        assert_eq!(mode & 0o7777, 0o755, "{path}");
    }
}

#[test]
fn what_is_there_is_used_and_what_is_not_is_said() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        let skip = std::env::var("ECS_INIT_TEST_SKIP").unwrap_or_default();
        assert!(
            skip.split([',', ' ']).any(|word| word == "namespaces"),
            "this needs root; ECS_INIT_TEST_SKIP=namespaces skips it"
        );
        eprintln!("SKIPPED: not root");
        return;
    }
    let said = pre_start(&["/var/lib/ecs/data", "/var/log/ecs", "/etc/ecs"]);
    for missing in ["/var/cache/ecs", "/var/log/ecs/exec", "/mnt/ecs/ebs"] {
        let told = said
            .lines()
            .any(|l| l.starts_with("level=warn") && l.contains(&format!("{missing}:")));
        assert!(told, "{missing}: {said}");
    }
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(!said.contains("/etc/ecs:"), "{said}");
    assert!(
        said.contains("/nonexistent/docker.sock"),
        "it stopped early: {said}"
    );

    let said = pre_start(&["/etc"]);
    assert!(
        said.contains("level=error") && said.contains("/var/lib/ecs/data"),
        "{said}"
    );
    assert!(
        !said.contains("/nonexistent/docker.sock"),
        "it went on: {said}"
    );
}
