//! A failure at any step leaves the tree unchanged. Full and read-only file systems are mounted in a
//! mount namespace, which needs root.

use std::env;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use ecs_init::bake::options::EcsConfig;
use ecs_init::bake::{self, Init};
use ecs_init::config::Config;
use ecs_init::sys::signal::Stop;

use super::fixture::{Fixture, everything, program};

/// Options that make every kind of change.
fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::Systemd);
    fixture.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    fixture
}

#[test]
fn directory_in_place_of_file_and_vice_versa_is_refused() {
    let complete = fixture();
    complete.bake().unwrap();
    let all = everything(complete.tree());
    assert!(all.len() > 25, "{}", all.len());
    let (directories, files): (Vec<_>, Vec<_>) = all
        .keys()
        .partition(|path| complete.tree().join(path).is_dir());
    for file in files {
        let fixture = fixture();
        fs::create_dir_all(fixture.tree().join(file).join("full")).unwrap();
        fixture.expect_refused(file.to_str().unwrap());
    }
    for directory in directories {
        let fixture = fixture();
        let path = fixture.tree().join(directory);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "a file").unwrap();
        fixture.expect_refused(directory.to_str().unwrap());
    }
}

/// Runs the test of this name again in a new mount namespace. Returns `false` in that namespace.
fn ran_in_namespace(test: &str) -> bool {
    const INSIDE: &str = "TEST_BAKE_INSIDE";
    if env::var_os(INSIDE).is_some() {
        return false;
    }
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(env::current_exe().unwrap())
        .args([&format!("failures::{test}"), "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("run unshare as root");
    assert!(status.success(), "{status}");
    true
}

fn command(program: &str, arguments: &[&str], path: &Path) {
    let status = Command::new(program)
        .args(arguments)
        .arg(path)
        .status()
        .unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

fn tmpfs(options: &str, on: &Path) {
    command("mount", &["-t", "tmpfs", "-o", options, "tmpfs"], on);
}

/// Bakes with increasing limits until it succeeds; returns the number of failures.
fn failures_until_success(fixture: &Fixture, mut limit: impl FnMut(u32)) -> u32 {
    for n in 1..200 {
        limit(n);
        let before = everything(fixture.tree());
        match fixture.bake() {
            Ok(_) => return n - 1,
            Err(error) => {
                let error = error.to_string();
                // The text of ENOSPC.
                assert!(error.contains("No space left"), "{n}: {error}");
                assert_eq!(everything(fixture.tree()), before, "{n}: {error}");
            }
        }
    }
    panic!("no limit is sufficient");
}

/// Another version of everything.
fn change_everything(fixture: &mut Fixture) {
    fixture.options.version = Some("v1.100.0".parse().unwrap());
    fixture.tar(2);
    let mut bytes = program(fixture.options.architecture);
    bytes.push(1);
    fs::write(fixture.options.binary.as_ref().unwrap(), bytes).unwrap();
    fixture.options.ecs_config = EcsConfig::Lines(vec!["A=2".into()]);
    fixture.options.force = true;
}

#[test]
fn full_file_system_at_every_step_changes_nothing() {
    if ran_in_namespace("full_file_system_at_every_step_changes_nothing") {
        return;
    }
    // Limits of inodes and of pages, on an empty tree and on one with the earlier version.
    for (kind, unit) in [("nr_inodes", 1), ("size", 4096)] {
        let mut fixture = fixture();
        let tree = fixture.tree().to_owned();
        tmpfs("size=100m", &tree);
        let failed = failures_until_success(&fixture, |n| {
            command("umount", &[], &tree);
            tmpfs(&format!("{kind}={}", (n + 1) * unit), &tree);
        });
        assert!(failed > 20, "{kind}: {failed}");
        change_everything(&mut fixture);
        let again = failures_until_success(&fixture, |n| {
            let option = format!("remount,{kind}={}", (failed + 2 + n) * unit);
            command("mount", &["-o", &option], &tree);
        });
        assert!(again > 2, "{kind}: {again}");
        let tar = tree.join("var/cache/ecs/ecs-agent-v1.99.0.tar");
        assert!(!tar.exists(), "the earlier version is removed");
        command("umount", &[], &tree);
    }
}

#[test]
fn read_only_directory_changes_nothing() {
    if ran_in_namespace("read_only_directory_changes_nothing") {
        return;
    }
    for part in [
        "",
        "etc",
        "usr",
        "usr/lib",
        "var/cache",
        "var/lib",
        "var/log",
        "mnt",
    ] {
        let fixture = fixture();
        let path = fixture.at(part);
        fs::create_dir_all(&path).unwrap();
        tmpfs("ro", &path);
        fixture.expect_refused("Read-only");
        command("umount", &[], &path);
        fixture.bake().unwrap();
    }
}

/// A mount point cannot be replaced, which fails after other files were replaced.
#[test]
fn file_that_cannot_be_replaced_changes_nothing() {
    if ran_in_namespace("file_that_cannot_be_replaced_changes_nothing") {
        return;
    }
    let mut fixture = fixture();
    fixture.bake().unwrap();
    change_everything(&mut fixture);
    let files = [
        "etc/ecs/ecs.config",
        "usr/libexec/amazon-ecs-init",
        "var/lib/ecs/ecs-init.manifest.json",
        // Removed, not replaced, as the last steps.
        "var/cache/ecs/ecs-agent-v1.99.0.tar",
        "var/cache/ecs/ecs-agent-v1.99.0.tar.asc",
    ];
    for file in files {
        let path: PathBuf = fixture.at(file);
        command("mount", &["--bind", path.to_str().unwrap()], &path);
        fixture.expect_refused(file);
        command("umount", &[], &path);
    }
    fixture.bake().unwrap();
}

#[test]
fn temporary_files_of_a_killed_bake_are_removed() {
    let fixture = fixture();
    let left = "etc/ecs/.ecs-init-0123456789abcdef.part";
    fixture.write(left, "half");
    fixture.bake().unwrap();
    assert!(!fixture.at(left).exists());
}

#[test]
fn stop_before_commit_changes_nothing() {
    let fixture = fixture();
    let (stopped, other_end) = UnixStream::pair().unwrap();
    drop(other_end);
    let stop = Stop::from(OwnedFd::from(stopped));
    let (config, _) = Config::from_environment([]);
    let error = bake::run(&fixture.options, &config, &stop).unwrap_err();
    assert!(error.is_interrupted(), "{error}");
    assert!(everything(fixture.tree()).is_empty());
}

/// A script must not continue and make an image of the tree.
#[test]
fn interrupted_bake_exits_with_255() {
    let fixture = fixture();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}", silent.local_addr().unwrap());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ecs-init"))
        .args(["bake", "--init", "none", "--agent-version", "v1.2.3"])
        .args(["--mirror", &mirror, "--root"])
        .arg(fixture.tree())
        .env_clear()
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let _asked = silent.accept().unwrap();
    ecs_init::sys::signal::terminate(child.id()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(255));
    assert!(everything(fixture.tree()).is_empty());
}
