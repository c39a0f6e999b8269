//! A failure at every step leaves the tree as it was. Full and read-only file systems are real
//! ones, in a mount namespace: that needs root.

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

use super::bench::{Bench, everything, program};

/// An order with something of every kind.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::Systemd);
    bench.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    bench
}

#[test]
fn a_directory_in_a_files_place_and_a_file_in_a_directorys() {
    let whole = bench();
    whole.bake().unwrap();
    let all = everything(whole.tree());
    assert!(all.len() > 25, "{}", all.len());
    let (directories, files): (Vec<_>, Vec<_>) = all
        .keys()
        .partition(|path| whole.tree().join(path).is_dir());
    for file in files {
        let bench = bench();
        fs::create_dir_all(bench.tree().join(file).join("full")).unwrap();
        bench.refused(file.to_str().unwrap());
    }
    for directory in directories {
        let bench = bench();
        let path = bench.tree().join(directory);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "a file").unwrap();
        bench.refused(directory.to_str().unwrap());
    }
}

/// Runs the test of this name again, in a mount namespace of its own; `false` in there.
fn outside(test: &str) -> bool {
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
        .expect("run unshare, as root");
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

/// Bakes under one limit after the other, until it works; so often did it not.
fn until_it_works(bench: &Bench, mut limit: impl FnMut(u32)) -> u32 {
    for n in 1..200 {
        limit(n);
        let before = everything(bench.tree());
        match bench.bake() {
            Ok(_) => return n - 1,
            Err(error) => {
                let error = error.to_string();
                // ENOSPC's words.
                assert!(error.contains("No space left"), "{n}: {error}");
                assert_eq!(everything(bench.tree()), before, "{n}: {error}");
            }
        }
    }
    panic!("never enough");
}

/// The next version of everything.
fn next(bench: &mut Bench) {
    bench.options.version = Some("v1.100.0".parse().unwrap());
    bench.tar(2);
    let mut bytes = program(bench.options.architecture);
    bytes.push(1);
    fs::write(bench.options.binary.as_ref().unwrap(), bytes).unwrap();
    bench.options.ecs_config = EcsConfig::Lines(vec!["A=2".into()]);
    bench.options.force = true;
}

#[test]
fn a_file_system_that_is_full_at_any_step() {
    if outside("a_file_system_that_is_full_at_any_step") {
        return;
    }
    // So many inodes, or so many pages; an empty tree, then one with the version before.
    for (kind, unit) in [("nr_inodes", 1), ("size", 4096)] {
        let mut bench = bench();
        let tree = bench.tree().to_owned();
        tmpfs("size=100m", &tree);
        let failed = until_it_works(&bench, |n| {
            command("umount", &[], &tree);
            tmpfs(&format!("{kind}={}", (n + 1) * unit), &tree);
        });
        assert!(failed > 20, "{kind}: {failed}");
        next(&mut bench);
        let again = until_it_works(&bench, |n| {
            let option = format!("remount,{kind}={}", (failed + 2 + n) * unit);
            command("mount", &["-o", &option], &tree);
        });
        assert!(again > 2, "{kind}: {again}");
        let tar = tree.join("var/cache/ecs/ecs-agent-v1.99.0.tar");
        assert!(!tar.exists(), "the last version is gone");
        command("umount", &[], &tree);
    }
}

#[test]
fn a_part_of_the_tree_that_is_read_only() {
    if outside("a_part_of_the_tree_that_is_read_only") {
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
        let bench = bench();
        let path = bench.at(part);
        fs::create_dir_all(&path).unwrap();
        tmpfs("ro", &path);
        bench.refused("Read-only");
        command("umount", &[], &path);
        bench.bake().unwrap();
    }
}

/// A file that is a mount point cannot be replaced: found out when the others have been.
#[test]
fn a_file_that_cannot_be_replaced() {
    if outside("a_file_that_cannot_be_replaced") {
        return;
    }
    let mut bench = bench();
    bench.bake().unwrap();
    next(&mut bench);
    let files = [
        "etc/ecs/ecs.config",
        "usr/libexec/amazon-ecs-init",
        "var/lib/ecs/ecs-init.manifest.json",
        // Not replaced, but removed, at the very end.
        "var/cache/ecs/ecs-agent-v1.99.0.tar",
        "var/cache/ecs/ecs-agent-v1.99.0.tar.asc",
    ];
    for file in files {
        let path: PathBuf = bench.at(file);
        command("mount", &["--bind", path.to_str().unwrap()], &path);
        bench.refused(file);
        command("umount", &[], &path);
    }
    bench.bake().unwrap();
}

#[test]
fn what_a_killed_one_left_is_swept() {
    let bench = bench();
    let left = "etc/ecs/.ecs-init-0123456789abcdef.part";
    bench.write(left, "half");
    bench.bake().unwrap();
    assert!(!bench.at(left).exists());
}

#[test]
fn an_order_to_stop_before_the_placing() {
    let bench = bench();
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let stop = Stop::from(OwnedFd::from(ours));
    let (config, _) = Config::from_environment([]);
    let error = bake::run(&bench.options, &config, &stop).unwrap_err();
    assert!(error.is_interrupted(), "{error}");
    assert!(everything(bench.tree()).is_empty());
}

/// Obeyed, but not done: a script must not go on and make an image of the tree.
#[test]
fn a_bake_that_was_stopped_ends_with_255() {
    let bench = bench();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}", silent.local_addr().unwrap());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ecs-init"))
        .args(["bake", "--init", "none", "--agent-version", "v1.2.3"])
        .args(["--mirror", &mirror, "--root"])
        .arg(bench.tree())
        .env_clear()
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let _asked = silent.accept().unwrap();
    ecs_init::sys::signal::terminate(child.id()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(255));
    assert!(everything(bench.tree()).is_empty());
}
