//! The supervisor while a real dockerd is restarted and killed under it.

mod dockerd;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use dockerd::{Dockerd, load, spec};
use ecs_init::supervise::notify::Notify;
use ecs_init::supervise::{CONTAINER, Outcome, run};
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;

/// An agent whose first run lasts until it is told to end, with success; its second run says
/// that it can never work, so that the supervisor's end tells that there was one.
const TWO_RUNS: &str = "
    [ -e /data/ran ] && exit 5
    trap 'echo term > /data/term; exit 0' TERM
    echo yes > /data/ran
    while :; do sleep 0.1; done";

/// A supervision of [`TWO_RUNS`] by a real dockerd; `event` happens while the first run is up.
fn with_dockerd(option: &str, event: impl FnOnce(&mut Dockerd, UnixStream)) -> (Outcome, TempDir) {
    let mut dockerd = Dockerd::start(option);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let stop = Stop::from(OwnedFd::from(ours));
    let docker = dockerd.connect(&stop);
    load(&docker);
    let data = TempDir::new("data");
    let spec = spec(TWO_RUNS, data.path());
    let (tell, outcome) = mpsc::channel();
    thread::spawn(move || {
        let told = Notify::default();
        tell.send(run(&docker, &spec, &stop, &told, |_, _| unreachable!()))
    });
    while !data.path().join("ran").exists() {
        thread::sleep(Duration::from_millis(50));
    }
    event(&mut dockerd, theirs);
    // Not a measurement: a supervisor that waits for ever is to fail the test, not to hang it.
    let outcome = outcome.recv_timeout(Duration::from_secs(240));
    (outcome.expect("the supervision ends").unwrap(), data)
}

#[test]
fn dockerd_restarted_by_its_own_means_is_no_end() {
    if !dockerd::available() {
        return;
    }
    let mut keep = None;
    let (outcome, data) = with_dockerd("", |dockerd, order| {
        dockerd.run("TERM");
        dockerd.run("start");
        keep = Some(order);
    });
    assert_eq!(outcome, Outcome::Terminal, "there was a second run");
    assert!(data.path().join("term").exists(), "dockerd ended the first");
}

#[test]
fn dockerd_killed_is_no_end() {
    if !dockerd::available() {
        return;
    }
    let mut keep = None;
    let (outcome, _data) = with_dockerd("", |dockerd, order| {
        dockerd.run("KILL");
        dockerd.run("start");
        keep = Some(order);
    });
    assert_eq!(outcome, Outcome::Terminal, "there was a second run");
}

#[test]
fn a_real_agent_is_told_to_end() {
    if !dockerd::available() {
        return;
    }
    let (outcome, data) = with_dockerd("", |_, order| drop(order));
    assert_eq!(outcome, Outcome::Interrupted);
    assert!(data.path().join("term").exists(), "it had its grace");
}

/// How often a supervisor of this process has found its agent running.
static SEEN: AtomicU32 = AtomicU32::new(0);

/// Counts the line of the log that says so: nothing else tells that the supervisor has looked.
struct StillRuns;

impl log::Log for StillRuns {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.args().to_string() == "the agent still runs" {
            SEEN.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn flush(&self) {}
}

#[test]
fn an_agent_that_outlives_dockerd_is_kept() {
    if !dockerd::available() {
        return;
    }
    let id = |dockerd: &Dockerd| {
        let docker = dockerd.connect(&Stop::never());
        let container = docker.container(CONTAINER).unwrap().unwrap();
        assert!(container.state.running);
        container.id
    };
    log::set_logger(&StillRuns).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    for (seen, signal) in (1..).zip(["KILL", "TERM"]) {
        let (outcome, data) = with_dockerd("--live-restore", |dockerd, order| {
            let before = id(dockerd);
            dockerd.run(signal);
            dockerd.run("start");
            // The supervisor has looked, and found it running.
            for _ in 0..6000 {
                if SEEN.load(Ordering::SeqCst) >= seen {
                    break;
                }
                thread::sleep(Duration::from_millis(50));
            }
            assert_eq!(SEEN.load(Ordering::SeqCst), seen, "after {signal}");
            assert_eq!(id(dockerd), before, "after {signal}");
            drop(order);
        });
        assert_eq!(outcome, Outcome::Interrupted);
        assert!(data.path().join("term").exists(), "it had its grace");
    }
}
