//! Connecting to dockerd, with a scripted Engine.

mod engine;

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use ecs_init::docker::{ApiError, Disconnected, Docker};
use ecs_init::error::{Error, Kind};
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;
use engine::{Engine, Reply, default_reply, response};

const LONG: Duration = Duration::from_secs(60);

/// The error of a connect.
fn connect_error(engine: &Engine) -> Error {
    Docker::connect(&engine.socket(), LONG, &Stop::never()).unwrap_err()
}

#[test]
fn api_version_is_negotiated_once() {
    let engine = Engine::start(|call, _| default_reply(call));
    let docker = engine.connect(&Stop::never());
    assert_eq!(docker.version().to_string(), "1.41");
    docker.container("a").unwrap();
    docker.container("a").unwrap();
    assert_eq!(
        engine.calls(),
        ["ping", "versioned-ping", "inspect", "inspect"]
    );
}

#[test]
fn ping_without_api_version_falls_back_to_version() {
    let engine = Engine::start(|call, _| match call {
        "ping" => response(200, "OK"),
        _ => default_reply(call),
    });
    assert_eq!(engine.connect(&Stop::never()).version().to_string(), "1.41");
}

#[test]
fn no_common_api_version_fails_without_retry() {
    let engine = Engine::start(|call, _| match call {
        "ping" => Reply::Pong("1.60"),
        "versioned-ping" => response(400, r#"{"message":"client version 1.44 is too old"}"#),
        "version" => response(200, r#"{"ApiVersion":"1.60","MinAPIVersion":"1.50"}"#),
        _ => default_reply(call),
    });
    let error = connect_error(&engine);
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(error.to_string().contains("1.50 to 1.60"), "{error}");
    assert_eq!(engine.calls(), ["ping", "versioned-ping", "version"]);
}

#[test]
fn connect_waits_for_starting_dockerd() {
    let engine = Engine::start(|call, n| match (call, n) {
        ("ping", 0) => response(503, "starting"),
        ("ping", 1) => Reply::Close,
        ("versioned-ping", 0) => response(500, ""),
        _ => default_reply(call),
    });
    engine.connect(&Stop::never());
    let want = [
        "ping",
        "ping",
        "ping",
        "versioned-ping",
        "ping",
        "versioned-ping",
    ];
    assert_eq!(engine.calls(), want);
}

#[test]
fn connect_waits_for_missing_socket() {
    let dir = TempDir::new("connect");
    let socket = dir.path().join("s");
    // No socket, then a socket without a listener, then an Engine.
    let connecting = {
        let socket = socket.clone();
        thread::spawn(move || Docker::connect(&socket, LONG, &Stop::never()).map(drop))
    };
    drop(UnixListener::bind(&socket).unwrap());
    std::fs::remove_file(&socket).unwrap();
    let _engine = Engine::start_in(dir, |call, _| default_reply(call));
    connecting.join().unwrap().unwrap();
}

#[test]
fn connect_timeout_names_socket_and_cause() {
    let dir = TempDir::new("connect");
    let socket = dir.path().join("s");
    let error = Docker::connect(&socket, Duration::from_millis(1), &Stop::never()).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    let Some(Disconnected(cause)) = error.find() else {
        panic!("{error}");
    };
    assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
    let message = error.to_string();
    assert!(message.contains(socket.to_str().unwrap()), "{message}");
    assert!(message.contains("1ms"), "{message}");
}

#[test]
fn permanent_connect_errors_are_not_retried() {
    let engine = Engine::start(|call, _| match call {
        "ping" => response(403, r#"{"message":"denied by a plugin"}"#),
        _ => default_reply(call),
    });
    let error = connect_error(&engine);
    assert_eq!(error.kind(), Kind::Rejected, "{error}");
    assert_eq!(
        error.find(),
        Some(&ApiError {
            status: 403,
            message: "denied by a plugin".into()
        })
    );
    let engine = Engine::start(|call, _| match call {
        "ping" => response(200, "OK"),
        "version" => response(200, "not JSON"),
        _ => default_reply(call),
    });
    let error = connect_error(&engine);
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    assert_eq!(engine.calls(), ["ping", "version"]);
}

#[test]
fn stop_interrupts_connect() {
    let dir = TempDir::new("connect");
    let (reader, writer) = UnixStream::pair().unwrap();
    let stop = Stop::from(OwnedFd::from(reader));
    drop(writer);
    let error = Docker::connect(&dir.path().join("s"), LONG, &stop).unwrap_err();
    assert!(error.is_interrupted(), "{error}");
}

#[test]
fn client_without_stop_works_after_stop() {
    let engine = Engine::start(|call, _| default_reply(call));
    let (reader, writer) = UnixStream::pair().unwrap();
    let stop = Stop::from(OwnedFd::from(reader));
    let docker = engine.connect(&stop);
    drop(writer);
    assert!(docker.ping().unwrap_err().is_interrupted());
    docker.without_stop().ping().unwrap();
}
