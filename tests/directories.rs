//! The directories that `pre-start` creates: with a umask of 077, and on a read-only root. The latter
//! needs root for a mount namespace; `ECS_INIT_TEST_SKIP=namespaces` skips it.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use ecs_init::testing::TempDir;

/// Runs `pre-start` on a read-only tmpfs with these directories.
const SCRIPT: &str = r#"
mount -t tmpfs tmpfs "$1"
mkdir -p $3
mount -o remount,ro "$1"
cd "$1"
exec "$2" pre-start
"#;

/// The log of `pre-start` on a read-only root with these directories. It fails because dockerd is
/// missing, after it has created the directories.
fn pre_start(directories: &[&str]) -> String {
    let root = TempDir::new("readonly");
    let paths: Vec<_> = directories
        .iter()
        .map(|d| format!("{}{d}", root.path().display()))
        .collect();
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-ec", SCRIPT, "sh"])
        .arg(root.path())
        .arg(env!("CARGO_BIN_EXE_ecs-init"))
        .arg(paths.join(" "))
        .env("ECS_INIT_ROOT", root.path())
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("ECS_INIT_DOCKER_WAIT", "0")
        .output()
        .expect("run unshare (util-linux)");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(255), "{log}");
    log
}

#[test]
fn directory_modes_with_umask_077() {
    let root = TempDir::new("umask");
    let output = Command::new("sh")
        .args(["-c", "umask 077; exec \"$0\" pre-start"])
        .arg(env!("CARGO_BIN_EXE_ecs-init"))
        .env("ECS_INIT_ROOT", root.path())
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("ECS_INIT_DOCKER_WAIT", "0")
        .output()
        .expect("run sh");
    assert_eq!(output.status.code(), Some(255));
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
fn read_only_root_with_missing_directories() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        let skip = std::env::var("ECS_INIT_TEST_SKIP").unwrap_or_default();
        assert!(
            skip.split([',', ' ']).any(|word| word == "namespaces"),
            "not root; ECS_INIT_TEST_SKIP=namespaces skips this test"
        );
        eprintln!("SKIPPED: not root");
        return;
    }
    let log = pre_start(&["/var/lib/ecs/data", "/var/log/ecs", "/etc/ecs"]);
    for missing in ["/var/cache/ecs", "/var/log/ecs/exec", "/mnt/ecs/ebs"] {
        let logged = log
            .lines()
            .any(|l| l.starts_with("level=warn") && l.contains(&format!("{missing}:")));
        assert!(logged, "{missing}: {log}");
    }
    assert!(log.contains("Read-only file system"), "{log}");
    assert!(!log.contains("/etc/ecs:"), "{log}");
    assert!(
        log.contains("/nonexistent/docker.sock"),
        "stopped early: {log}"
    );

    let log = pre_start(&["/etc"]);
    assert!(
        log.contains("level=error") && log.contains("/var/lib/ecs/data"),
        "{log}"
    );
    assert!(
        !log.contains("/nonexistent/docker.sock"),
        "continued: {log}"
    );
}
