//! How a connection to dockerd comes about, or does not: against a scripted Engine.

mod engine;

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use ecs_init::docker::Docker;
use ecs_init::error::Error;
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;
use engine::{Engine, Reply, answer, usual};

const LONG: Duration = Duration::from_secs(60);

/// The error that a connect ends with.
fn error(engine: &Engine, limit: Duration) -> Error {
    Docker::connect(&engine.socket(), limit, &Stop::never()).unwrap_err()
}

#[test]
fn the_version_is_agreed_on_once() {
    let engine = Engine::start(|call, _| usual(call));
    let docker = engine.connect(&Stop::never());
    assert_eq!(docker.version().to_string(), "1.41");
    docker.container("a").unwrap();
    docker.container("a").unwrap();
    assert_eq!(engine.calls(), ["ping", "agree", "look", "look"]);
}

#[test]
fn a_ping_that_names_no_version_leaves_it_to_the_other_answer() {
    let engine = Engine::start(|call, _| match call {
        "ping" => answer(200, "OK"),
        _ => usual(call),
    });
    assert_eq!(engine.connect(&Stop::never()).version().to_string(), "1.41");
}

#[test]
fn a_dockerd_outside_the_window_is_one_clear_error() {
    let engine = Engine::start(|call, _| match call {
        "ping" => Reply::Pong("1.60"),
        "agree" => answer(400, r#"{"message":"client version 1.44 is too old"}"#),
        "version" => answer(200, r#"{"ApiVersion":"1.60","MinAPIVersion":"1.50"}"#),
        _ => usual(call),
    });
    let message = error(&engine, LONG).to_string();
    assert!(
        message.contains("dockerd speaks Engine API 1.50 to 1.60, ecs-init 1.25 to 1.44"),
        "{message}"
    );
    // Waiting does not help, and was not tried.
    assert_eq!(engine.calls(), ["ping", "agree", "version"]);
}

#[test]
fn a_dockerd_that_starts_is_waited_for() {
    let engine = Engine::start(|call, n| match (call, n) {
        ("ping", 0) => answer(503, "starting"),
        ("ping", 1) => Reply::HangUp,
        ("agree", 0) => answer(500, ""),
        _ => usual(call),
    });
    engine.connect(&Stop::never());
    let want = ["ping", "ping", "ping", "agree", "ping", "agree"];
    assert_eq!(engine.calls(), want);
}

#[test]
fn a_socket_that_is_not_there_yet_is_waited_for() {
    let dir = TempDir::new("connect");
    let socket = dir.path().join("s");
    // First nothing, then a socket that nobody listens to, then an Engine.
    let connecting = {
        let socket = socket.clone();
        thread::spawn(move || Docker::connect(&socket, LONG, &Stop::never()).map(drop))
    };
    drop(UnixListener::bind(&socket).unwrap());
    std::fs::remove_file(&socket).unwrap();
    let _engine = Engine::start_in(dir, |call, _| usual(call));
    connecting.join().unwrap().unwrap();
}

#[test]
fn the_wait_has_an_end_and_names_what_to_look_at() {
    let dir = TempDir::new("connect");
    let socket = dir.path().join("s");
    let error = Docker::connect(&socket, Duration::from_millis(1), &Stop::never()).unwrap_err();
    let message = error.to_string();
    let want = format!("dockerd at {} did not answer within 1ms", socket.display());
    assert!(message.starts_with(&want), "{message}");
    assert!(message.contains("No such file"), "{message}");
}

#[test]
fn what_waiting_cannot_help_is_told_at_once() {
    let engine = Engine::start(|call, _| match call {
        "ping" => answer(403, r#"{"message":"denied by a plugin"}"#),
        _ => usual(call),
    });
    let message = error(&engine, LONG).to_string();
    assert!(
        message.contains("answered 403: denied by a plugin"),
        "{message}"
    );
    let engine = Engine::start(|call, _| match call {
        "ping" => answer(200, "OK"),
        "version" => answer(200, "not JSON"),
        _ => usual(call),
    });
    let message = error(&engine, LONG).to_string();
    assert!(
        message.contains("not what the Engine API documents"),
        "{message}"
    );
}

#[test]
fn the_order_to_stop_ends_the_wait() {
    let dir = TempDir::new("connect");
    let (ours, theirs) = UnixStream::pair().unwrap();
    let stop = Stop::from(OwnedFd::from(ours));
    drop(theirs);
    let error = Docker::connect(&dir.path().join("s"), LONG, &stop).unwrap_err();
    assert!(error.is_interrupted(), "{error}");
}

#[test]
fn a_client_without_stop_goes_on_after_the_order() {
    let engine = Engine::start(|call, _| usual(call));
    let (ours, theirs) = UnixStream::pair().unwrap();
    let stop = Stop::from(OwnedFd::from(ours));
    let docker = engine.connect(&stop);
    drop(theirs);
    assert!(docker.ping().unwrap_err().is_interrupted());
    docker.without_stop().ping().unwrap();
}
