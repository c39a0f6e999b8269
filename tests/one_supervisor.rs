//! One supervisor to a host, and `stop`, which finds it: real processes, and no dockerd. A
//! supervisor holds its lock from before the first wait for dockerd on.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use ecs_init::supervise::lock;
use ecs_init::testing::TempDir;

fn ecs_init(root: &TempDir, verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-init"));
    command
        .arg(verb)
        .env_clear()
        .env("ECS_INIT_ROOT", root.path())
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("ECS_INIT_DOCKER_WAIT", "0");
    command
}

/// A `start` that has its lock, as its waiting for dockerd tells.
struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Waiting {
    fn start(root: &TempDir) -> Waiting {
        let mut child = ecs_init(root, "start")
            .env("ECS_INIT_DOCKER_WAIT", "3600")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("waiting for dockerd") {
            assert_ne!(stderr.read_line(&mut said).unwrap(), 0, "{said}");
        }
        Waiting {
            child,
            stderr,
            said,
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit code, once it has ended by what the test did.
    fn end(mut self) -> Option<i32> {
        while self.stderr.read_line(&mut self.said).unwrap() > 0 {}
        self.child.wait().unwrap().code()
    }
}

fn errors(done: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&done.stderr);
    let errors = text.lines().filter(|line| line.contains("level=error"));
    errors.map(str::to_owned).collect()
}

#[test]
fn the_second_one_names_the_first_and_ends() {
    let root = TempDir::new("two");
    let mut first = Waiting::start(&root);
    for verb in ["start", "run"] {
        let second = ecs_init(&root, verb).output().unwrap();
        assert_eq!(second.status.code(), Some(255), "{verb}");
        let [error] = &errors(&second)[..] else {
            panic!("one error: {second:?}");
        };
        let name = format!("process {} ", first.pid());
        assert!(error.contains(&name), "{error}");
        assert!(error.contains(lock::PATH), "{error}");
    }
    // Killed, it leaves nothing behind that stands in the way of the next.
    first.child.kill().unwrap();
    assert_eq!(first.end(), None);
    let mut next = Waiting::start(&root);
    next.child.kill().unwrap();
    assert_eq!(next.end(), None);
}

#[test]
fn stop_ends_a_supervisor_that_has_no_container_yet() {
    let root = TempDir::new("stop");
    let first = Waiting::start(&root);
    // There is no dockerd to ask about an agent: a failure, and the supervisor ends all the same.
    let stop = ecs_init(&root, "stop").output().unwrap();
    assert_eq!(stop.status.code(), Some(255));
    assert!(errors(&stop)[0].contains("docker.sock"), "{stop:?}");
    assert_eq!(first.end(), Some(0));
}

#[test]
fn the_lock_is_roots_alone_and_no_link_is_followed() {
    let root = TempDir::new("file");
    let path = root.path().join("run/ecs-init.lock");
    let done = ecs_init(&root, "start").output().unwrap();
    assert_eq!(done.status.code(), Some(255), "there is no dockerd");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);

    let target = root.path().join("elsewhere");
    fs::remove_file(&path).unwrap();
    symlink(&target, &path).unwrap();
    let done = ecs_init(&root, "start").output().unwrap();
    let text = String::from_utf8_lossy(&done.stderr);
    assert!(text.contains("would go unnoticed"), "{text}");
    assert!(!target.exists());
}
