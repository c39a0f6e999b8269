//! One supervisor per host, and `stop`: real processes without dockerd. A supervisor takes its lock
//! before it waits for dockerd.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use ecs_init::supervise::lock;
use ecs_init::testing::TempDir;

fn ecs_init(root: &TempDir, name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-init"));
    command
        .arg(name)
        .env_clear()
        .env("ECS_INIT_ROOT", root.path())
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("ECS_INIT_DOCKER_WAIT", "0");
    command
}

/// A `start` that has its lock and waits for dockerd.
struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
    stderr_text: String,
}

impl Waiting {
    fn start(root: &TempDir) -> Waiting {
        let mut child = ecs_init(root, "start")
            .env("ECS_INIT_DOCKER_WAIT", "3600")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut stderr_text = String::new();
        while !stderr_text.contains("waiting for") {
            assert_ne!(
                stderr.read_line(&mut stderr_text).unwrap(),
                0,
                "{stderr_text}"
            );
        }
        Waiting {
            child,
            stderr,
            stderr_text,
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends; returns its exit code.
    fn wait(mut self) -> Option<i32> {
        while self.stderr.read_line(&mut self.stderr_text).unwrap() > 0 {}
        self.child.wait().unwrap().code()
    }
}

fn errors(done: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&done.stderr);
    let errors = text.lines().filter(|line| line.contains("level=error"));
    errors.map(str::to_owned).collect()
}

#[test]
fn second_supervisor_fails_and_names_the_first() {
    let root = TempDir::new("two");
    let mut first = Waiting::start(&root);
    for command in ["start", "run"] {
        let second = ecs_init(&root, command).output().unwrap();
        assert_eq!(second.status.code(), Some(255), "{command}");
        let [error] = &errors(&second)[..] else {
            panic!("one error: {second:?}");
        };
        let name = format!("process {} ", first.pid());
        assert!(error.contains(&name), "{error}");
        assert!(error.contains(lock::PATH), "{error}");
    }
    // A killed supervisor leaves no lock.
    first.child.kill().unwrap();
    assert_eq!(first.wait(), None);
    let mut next = Waiting::start(&root);
    next.child.kill().unwrap();
    assert_eq!(next.wait(), None);
}

#[test]
fn stop_ends_supervisor_without_container() {
    let root = TempDir::new("stop");
    let first = Waiting::start(&root);
    // `stop` fails without dockerd, but it ends the supervisor.
    let stop = ecs_init(&root, "stop").output().unwrap();
    assert_eq!(stop.status.code(), Some(255));
    assert!(errors(&stop)[0].contains("docker.sock"), "{stop:?}");
    assert_eq!(first.wait(), Some(0));
}

#[test]
fn lock_file_has_mode_0600_and_links_are_not_followed() {
    let root = TempDir::new("file");
    let path = root.path().join("run/ecs-init.lock");
    let done = ecs_init(&root, "start").output().unwrap();
    assert_eq!(done.status.code(), Some(255), "no dockerd");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);

    let target = root.path().join("elsewhere");
    fs::remove_file(&path).unwrap();
    symlink(&target, &path).unwrap();
    let done = ecs_init(&root, "start").output().unwrap();
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(text.contains("would not be detected"), "{text}");
    assert!(!target.exists());
}
