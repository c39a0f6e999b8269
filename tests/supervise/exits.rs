//! The agent's exit codes, and the messages to systemd.

use std::os::unix::net::UnixDatagram;

use ecs_init::error::Error;
use ecs_init::supervise::ImageToLoad::{Cached, Requested};
use ecs_init::supervise::{Notify, Outcome, run_with};
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;

use super::engine::{Engine, Reply, default_reply, exited, response};
use super::{
    ONE_RUN, assert_loads, assert_slept, calls_of_one_run, spec, supervise, supervise_without_loads,
};

#[test]
fn exit_0_is_done_and_exit_5_is_terminal() {
    let s = supervise_without_loads(|call, _| default_reply(call));
    assert_eq!(s.calls, calls_of_one_run(&["ping"]));
    assert_slept(&s, &[]);

    let script = |call: &str, _| match call {
        "wait" => exited(5),
        _ => default_reply(call),
    };
    let s = supervise(script, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Terminal);
    assert_eq!(s.calls, ONE_RUN);
}

#[test]
fn exit_2_shows_container_log() {
    let script = |call: &str, n| match (call, n) {
        ("wait", 0) => exited(2),
        ("logs", _) => response(200, "\u{1}\0\0\0\0\0\0\u{3}no\n"),
        _ => default_reply(call),
    };
    let s = supervise_without_loads(script);
    assert_eq!(s.calls[6..8], ["find", "logs?stdout=1&stderr=1&tail=200"]);
    assert_slept(&s, &[0.5]);
}

#[test]
fn update_is_immediate_and_backs_off_if_it_repeats_or_fails() {
    let script = |call: &str, n| match (call, n) {
        ("wait", 0 | 1 | 3) => exited(42),
        ("wait", 2) => exited(1),
        _ => default_reply(call),
    };
    // Immediate; soon after an update: 0.5 s; another exit: 1 s; not loaded: 2 s.
    let s = supervise(script, |n| n != 2);
    assert_loads(&s, &[Requested; 3]);
    assert_slept(&s, &[0.5, 1.0, 2.0]);
}

#[test]
fn two_failed_updates_load_the_cached_image() {
    let script = |call: &str, n| match (call, n) {
        ("wait", 0..3) => exited(42),
        _ => default_reply(call),
    };
    let s = supervise(script, |_| true);
    assert_loads(&s, &[Requested, Requested, Cached]);
    assert_slept(&s, &[0.5, 1.0]);
    // Neither the updates nor the cached image can be loaded: the loop continues.
    let script = |call: &str, n| match (call, n) {
        ("wait", 0..2) => exited(42),
        _ => default_reply(call),
    };
    let s = supervise(script, |_| false);
    assert_loads(&s, &[Requested, Requested, Cached]);
    assert_slept(&s, &[0.5, 2.0]);
}

/// dockerd cannot start the agent at first; then the agent exits with 1.
#[test]
fn systemd_is_notified_of_start_restart_and_stop() {
    let dir = TempDir::new("supervise");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let script = |call: &str, n| match (call, n) {
        ("start", 0) => response(500, r#"{"message":"no"}"#),
        ("wait", 0) => exited(1),
        ("wait", 1) => Reply::Close,
        _ => default_reply(call),
    };
    let engine = Engine::start(script);
    let mut sleeps = 0;
    let outcome = run_with(
        &engine.connect(&Stop::never()),
        &spec(),
        &Notify::new(path.to_str()),
        |_, _| unreachable!(),
        |_| {
            sleeps += 1;
            (sleeps < 3).then_some(()).ok_or_else(Error::interrupted)
        },
    );
    assert_eq!(outcome.unwrap(), Outcome::Interrupted);
    socket.set_nonblocking(true).unwrap();
    let mut received = Vec::new();
    let mut bytes = [0; 256];
    while let Ok(n) = socket.recv(&mut bytes) {
        received.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
    }
    let prefixes = [
        "STATUS=",
        "READY=1\n",
        "STATUS=",
        "READY=1\n",
        "STOPPING=1\n",
    ];
    assert_eq!(received.len(), prefixes.len(), "{received:?}");
    for (message, prefix) in received.iter().zip(prefixes) {
        assert!(message.starts_with(prefix), "{received:?}");
    }
    assert!(
        received[0].contains("0.5 s") && received[2].contains("1."),
        "{received:?}"
    );
}
