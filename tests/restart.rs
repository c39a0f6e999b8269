//! A real dockerd with `live-restore` that is restarted and killed while the agent keeps running.
//! The cases in `qemu-tests` cover a dockerd that takes its containers along.

mod dockerd;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dockerd::{Dockerd, load, spec};
use ecs_init::supervise::{CONTAINER, Notify, Outcome, run};
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;

/// Runs until SIGTERM, then exits with 0. A second run exits with 5.
const AGENT: &str = "
    [ -e /data/ran ] && exit 5
    trap 'echo term > /data/term; exit 0' TERM
    echo yes > /data/ran
    while :; do sleep 0.1; done";

/// How often a supervisor of this process found its agent still running after dockerd came back.
static STILL_RUNNING: AtomicU32 = AtomicU32::new(0);

/// Counts the log line that says so; nothing else shows it.
struct CountStillRunning;

impl log::Log for CountStillRunning {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.args().to_string() == "the agent is still running" {
            STILL_RUNNING.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn flush(&self) {}
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("timed out: {what}");
}

fn running_container(dockerd: &Dockerd) -> String {
    let docker = dockerd.connect(&Stop::never());
    let container = docker.container(CONTAINER).unwrap().unwrap();
    assert!(container.state.running);
    container.id
}

#[test]
fn agent_that_outlives_dockerd_is_kept() {
    if !dockerd::available() {
        return;
    }
    log::set_logger(&CountStillRunning).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    for (count, signal) in (1..).zip(["KILL", "TERM"]) {
        let mut dockerd = Dockerd::start("--live-restore");
        let (receiver, request) = UnixStream::pair().unwrap();
        let stop = Stop::from(OwnedFd::from(receiver));
        let docker = dockerd.connect(&stop);
        load(&docker);
        let data = TempDir::new("data");
        let spec = spec(AGENT, data.path());
        let (sender, outcome) = mpsc::channel();
        thread::spawn(move || {
            let notify = Notify::default();
            sender.send(run(&docker, &spec, &stop, &notify, |_, _| unreachable!()))
        });
        wait_until("the agent runs", || data.path().join("ran").exists());
        let before = running_container(&dockerd);
        dockerd.run(signal);
        dockerd.run("start");
        wait_until("the supervisor finds it running", || {
            STILL_RUNNING.load(Ordering::SeqCst) >= count
        });
        assert_eq!(STILL_RUNNING.load(Ordering::SeqCst), count, "{signal}");
        assert_eq!(running_container(&dockerd), before, "{signal}");
        // The request to stop.
        drop(request);
        let outcome = outcome.recv_timeout(Duration::from_secs(240)).unwrap();
        assert_eq!(outcome.unwrap(), Outcome::Interrupted);
        assert!(data.path().join("term").exists(), "SIGTERM was not sent");
    }
}
