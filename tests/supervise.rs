//! The supervisor's stories, against a scripted Engine over a real socket: every order of events
//! can be had. `tests/restart.rs` has a real dockerd.

mod engine;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use ecs_init::docker::spec::ContainerSpec;
use ecs_init::error::{Error, Result};
use ecs_init::supervise::{Outcome, run, run_with};
use ecs_init::sys::signal::Stop;
use engine::{Engine, Reply, answer, exit, usual};

/// What a supervision came to: how it ended, what dockerd was asked, how long it slept.
struct Story {
    outcome: Outcome,
    /// Without the two requests of the connect.
    calls: Vec<String>,
    /// In tenths of a second, rounded down: the jitter is at most a tenth of a sleep.
    sleeps: Vec<f64>,
    loads: usize,
}

/// Runs a supervision against an Engine that answers as told; `load` says whether the n-th image
/// that is asked for can be loaded.
fn story(
    replies: impl FnMut(&str, usize) -> Reply + Send + 'static,
    mut load: impl FnMut(usize) -> bool,
) -> Story {
    let engine = Engine::start(replies);
    let (mut sleeps, mut loads) = (Vec::new(), 0);
    let spec = ContainerSpec::default();
    let outcome = run_with(
        &engine.connect(None),
        &spec,
        |_| {
            loads += 1;
            let fine = load(loads - 1);
            fine.then_some(()).ok_or_else(|| Error::new("no such file"))
        },
        |pause| {
            sleeps.push(pause.as_secs_f64());
            Ok(())
        },
    );
    Story {
        outcome: outcome.unwrap(),
        calls: engine.calls().split_off(2),
        sleeps,
        loads,
    }
}

/// Whether each sleep is the one wanted, or up to a tenth longer.
#[track_caller]
fn assert_slept(story: &Story, want: &[f64]) {
    let near = |(got, want): (&f64, &f64)| (*want..=want * 1.1 + 1e-9).contains(got);
    assert!(
        story.sleeps.len() == want.len() && story.sleeps.iter().zip(want).all(near),
        "slept {:?}, not {want:?}",
        story.sleeps
    );
}

const ONE_RUN: [&str; 4] = ["remove", "create", "start", "wait"];

#[test]
fn an_agent_that_is_done_is_done() {
    let s = story(|call, _| usual(call), |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    assert_eq!(s.calls, ["remove", "create", "start", "wait", "ping"]);
    assert_slept(&s, &[]);
}

#[test]
fn an_agent_that_can_never_work_is_not_restarted() {
    let replies = |call: &str, _| match call {
        "wait" => exit(5),
        _ => usual(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Terminal);
    assert_eq!(s.outcome.exit().code(), 5);
    assert_eq!(s.calls, ONE_RUN);
}

#[test]
fn an_agent_that_fails_is_started_again_ever_later() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0..7) => exit(1),
        _ => usual(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    assert_slept(&s, &[0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]);
    assert_eq!(s.calls.len(), 8 * ONE_RUN.len() + 1);
}

#[test]
fn the_last_words_are_read_after_a_two() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0) => exit(2),
        ("logs", _) => answer(200, "\u{1}\0\0\0\0\0\0\u{3}no\n"),
        _ => usual(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    assert_eq!(s.calls[4..6], ["look", "logs?stdout=1&stderr=1&tail=200"]);
    assert_slept(&s, &[0.5]);
}

#[test]
fn an_upgrade_is_loaded_and_started_at_once() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0) => exit(42),
        _ => usual(call),
    };
    let s = story(replies, |_| true);
    assert_eq!((s.outcome, s.loads), (Outcome::Done, 1));
    assert_slept(&s, &[]);
}

#[test]
fn an_upgrade_that_fails_or_repeats_backs_off() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0..4) => exit(42),
        _ => usual(call),
    };
    // At once; soon after: 0.5 s; not loaded: the repetition's 1 s is not slept, 2 s are.
    let s = story(replies, |n| n != 2);
    assert_eq!((s.outcome, s.loads), (Outcome::Done, 4));
    assert_slept(&s, &[0.5, 2.0, 4.0]);
}

#[test]
fn a_lost_connection_is_not_an_exit() {
    for cut in [Reply::HangUp, Reply::Cut, answer(200, "{\"Sta")] {
        let replies = move |call: &str, n| match (call, n) {
            ("wait", 0) => cut.clone(),
            _ => usual(call),
        };
        let s = story(replies, |_| unreachable!());
        assert_eq!(s.outcome, Outcome::Done);
        let want = [
            "remove", "create", "start", "wait", // lost
            "ping", "version", "look", // back, and it runs
            "wait", "ping",
        ];
        assert_eq!(s.calls, want);
    }
}

#[test]
fn an_agent_that_went_with_dockerd_is_started_again() {
    for code in ["0", "137", "143"] {
        let replies = move |call: &str, n| match (call, n) {
            ("wait", 0) => Reply::HangUp,
            ("look", 0) => answer(
                200,
                &format!(r#"{{"Id":"c0ffee","State":{{"Running":false,"ExitCode":{code}}}}}"#),
            ),
            _ => usual(call),
        };
        let s = story(replies, |_| unreachable!());
        assert_eq!(s.outcome, Outcome::Done);
        let creates = s.calls.iter().filter(|c| *c == "create").count();
        assert_eq!(creates, 2, "{code}");
        assert_slept(&s, &[0.5]);
    }
}

#[test]
fn an_exit_that_a_dying_dockerd_tells_is_not_success() {
    let replies = |call: &str, n| match (call, n) {
        // The first one is the connect's.
        ("ping", 1) => Reply::HangUp,
        _ => usual(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    let creates = s.calls.iter().filter(|c| *c == "create").count();
    assert_eq!(creates, 2);
}

#[test]
fn an_agent_that_failed_for_good_while_dockerd_was_away_is_not_restarted() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0) => Reply::HangUp,
        ("look", 0) => answer(200, r#"{"Id":"c0ffee","State":{"ExitCode":5}}"#),
        _ => usual(call),
    };
    assert_eq!(
        story(replies, |_| unreachable!()).outcome,
        Outcome::Terminal
    );
}

#[test]
fn a_container_that_is_gone_is_made_anew() {
    let gone = || answer(404, r#"{"message":"No such container"}"#);
    let replies = move |call: &str, n| match (call, n) {
        ("wait" | "look", 0) => gone(),
        _ => usual(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    let want = ["wait", "look", "remove", "create", "start", "wait", "ping"];
    assert_eq!(s.calls[3..], want);
    assert_slept(&s, &[0.5]);
}

#[test]
fn what_dockerd_cannot_do_now_is_tried_again() {
    let no = || answer(500, r#"{"message":"device or resource busy"}"#);
    let replies = move |call: &str, n| match (call, n) {
        ("remove" | "create" | "start", 0) | ("wait", 1) => no(),
        ("create", 1) => Reply::HangUp,
        ("wait", 0) => answer(200, r#"{"StatusCode":0,"Error":{"Message":"no shim"}}"#),
        _ => usual(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    // Four runs that did not begin, and two waits that told nothing of an agent that runs.
    assert_slept(&s, &[0.5, 1.0, 2.0, 4.0, 1.0, 1.0]);
}

#[test]
fn the_order_to_stop_gives_the_agent_its_ten_seconds() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let stop = Stop::from(OwnedFd::from(ours));
    let mut order = Some(theirs);
    let engine = Engine::start(move |call, _| match call {
        "wait" => {
            // The other end hangs up: the order is given. The agent runs on.
            order.take();
            Reply::Silence
        }
        _ => usual(call),
    });
    let spec = ContainerSpec::default();
    let outcome = run(
        &engine.connect(Some(&stop)),
        &spec,
        &stop,
        |_| unreachable!(),
    );
    assert_eq!(outcome.unwrap(), Outcome::Stopped);
    let mut want = ONE_RUN.to_vec();
    want.push("stop?t=10");
    assert_eq!(engine.calls()[2..], want);
}

type Step = fn() -> Result<()>;

#[test]
fn the_order_to_stop_ends_a_pause_and_a_load_too() {
    let replies = |call: &str, _| match call {
        "wait" => exit(42),
        "stop?t=10" => answer(404, ""),
        _ => usual(call),
    };
    let (fine, stopped): (Step, Step) = (|| Ok(()), || Err(Error::stopped()));
    for (load, sleep) in [(stopped, fine), (fine, stopped)] {
        let engine = Engine::start(replies);
        let spec = ContainerSpec::default();
        let outcome = run_with(&engine.connect(None), &spec, |_| load(), |_| sleep());
        assert_eq!(outcome.unwrap(), Outcome::Stopped);
        assert_eq!(engine.calls().last().unwrap(), "stop?t=10");
    }
}
