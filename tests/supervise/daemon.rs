//! dockerd goes away, comes back, or fails.

use ecs_init::docker::Disconnected;
use ecs_init::error::{Error, Kind};
use ecs_init::supervise::{ImageToLoad, Notify, Outcome, run_with};
use ecs_init::sys::signal::Stop;

use super::engine::{Engine, Reply, default_reply, exited, response};
use super::{Trace, assert_slept, calls_of_one_run, spec, supervise, supervise_without_loads};

fn starts(supervise: &Trace) -> usize {
    supervise
        .calls
        .iter()
        .filter(|call| *call == "start")
        .count()
}

#[test]
fn lost_connection_is_not_an_exit() {
    for lost in [Reply::Close, Reply::Truncated, response(200, "{\"Sta")] {
        let script = move |call: &str, n| match (call, n) {
            ("wait", 0) => lost.clone(),
            _ => default_reply(call),
        };
        let s = supervise_without_loads(script);
        // Reconnect; it still runs; the exit.
        let want = calls_of_one_run(&["ping", "versioned-ping", "inspect", "wait", "ping"]);
        assert_eq!(s.calls, want);
    }
}

#[test]
fn exit_while_dockerd_was_away_restarts_unless_terminal() {
    for (code, outcome) in [
        (0, Outcome::Done),
        (137, Outcome::Done),
        (143, Outcome::Done),
        (5, Outcome::Terminal),
    ] {
        let script = move |call: &str, n| match (call, n) {
            ("wait", 0) => Reply::Close,
            ("inspect", 0) => {
                let state = format!(r#"{{"Running":false,"ExitCode":{code}}}"#);
                response(200, &format!(r#"{{"Id":"c0ffee","State":{state}}}"#))
            }
            _ => default_reply(call),
        };
        let s = supervise(script, |_| unreachable!());
        assert_eq!(s.outcome, outcome, "{code}");
        let restarted = outcome == Outcome::Done;
        assert_eq!(starts(&s), 1 + usize::from(restarted), "{code}");
        assert_slept(&s, if restarted { &[0.5] } else { &[] });
    }
}

#[test]
fn exit_0_reported_by_dockerd_in_shutdown_restarts() {
    let script = |call: &str, n| match (call, n) {
        // The first ping is the connect's.
        ("ping", 1) => Reply::Close,
        _ => default_reply(call),
    };
    assert_eq!(starts(&supervise_without_loads(script)), 2);
}

#[test]
fn connection_lost_during_update_is_not_a_failed_update() {
    let script = |call: &str, n| match (call, n) {
        ("wait", 0..3) => exited(42),
        _ => default_reply(call),
    };
    let engine = Engine::start(script);
    let mut loads = Vec::new();
    let outcome = run_with(
        &engine.connect(&Stop::never()),
        &spec(),
        &Notify::default(),
        |_, image| {
            loads.push(image);
            let lost = Disconnected(std::io::ErrorKind::BrokenPipe.into());
            Err(Error::with_source(Kind::Transient, "load", lost))
        },
        |_| Ok(()),
    );
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert_eq!(loads, [ImageToLoad::Requested; 3]);
}

#[test]
fn removed_container_is_created_again() {
    let missing = || response(404, r#"{"message":"No such container"}"#);
    let script = move |call: &str, n| match (call, n) {
        ("wait" | "inspect", 0) => missing(),
        _ => default_reply(call),
    };
    let s = supervise_without_loads(script);
    let mut want = calls_of_one_run(&["inspect"]);
    want.extend(calls_of_one_run(&["ping"]));
    assert_eq!(s.calls, want);
    assert_slept(&s, &[0.5]);
}

#[test]
fn dockerd_errors_are_retried() {
    let busy = || response(500, r#"{"message":"device or resource busy"}"#);
    let script = move |call: &str, n| match (call, n) {
        ("remove" | "create" | "start", 0) | ("wait", 1) => busy(),
        ("create", 1) => Reply::Close,
        ("wait", 0) => response(200, r#"{"StatusCode":0,"Error":{"Message":"no shim"}}"#),
        _ => default_reply(call),
    };
    let s = supervise_without_loads(script);
    // Four failed starts, and two failed waits for a running agent.
    assert_slept(&s, &[0.5, 1.0, 2.0, 4.0, 1.0, 1.0]);
}
