//! The supervisor's stories, against a scripted Engine over a real socket: every order of events
//! can be had. `tests/restart.rs` has a real dockerd.

mod engine;

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use ecs_init::docker::Disconnected;
use ecs_init::docker::spec::ContainerSpec;
use ecs_init::error::{Error, Kind, Result};
use ecs_init::supervise::notify::Notify;
use ecs_init::supervise::{Load, Outcome, identity, run, run_with};
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;
use engine::{Engine, Reply, default_reply, exited, response};

/// What a supervision came to: how it ended, what dockerd was asked, how long it slept.
struct Story {
    outcome: Outcome,
    /// Without the two requests of the connect.
    calls: Vec<String>,
    /// In tenths of a second, rounded down: the jitter is at most a tenth of a sleep.
    sleeps: Vec<f64>,
    loads: Vec<Load>,
}

/// What is to run.
fn spec() -> ContainerSpec {
    ContainerSpec {
        image: "the/agent:latest".into(),
        ..ContainerSpec::default()
    }
}

/// Runs a supervision against an Engine that answers as told; `load` says whether the n-th image
/// that is asked for can be loaded.
fn story(
    replies: impl FnMut(&str, usize) -> Reply + Send + 'static,
    mut load: impl FnMut(usize) -> bool,
) -> Story {
    let engine = Engine::start(replies);
    let (mut sleeps, mut loads) = (Vec::new(), Vec::new());
    let outcome = run_with(
        &engine.connect(&Stop::never()),
        &spec(),
        &Notify::default(),
        |_, which| {
            let fine = load(loads.len());
            loads.push(which);
            fine.then_some(())
                .ok_or_else(|| Error::new(Kind::InvalidInput, "no such file"))
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

/// Whether the story had a good end, after these loads.
#[track_caller]
fn assert_loads(story: &Story, want: &[Load]) {
    assert_eq!(
        (story.outcome, story.loads.as_slice()),
        (Outcome::Done, want)
    );
}

const ONE_RUN: [&str; 6] = ["find", "image", "remove", "create", "start", "wait"];

/// [`ONE_RUN`], and what follows.
fn one_run_and(more: &[&'static str]) -> Vec<&'static str> {
    [&ONE_RUN, more].concat()
}

#[test]
fn an_agent_that_is_done_is_done() {
    let s = story(|call, _| default_reply(call), |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    assert_eq!(s.calls, one_run_and(&["ping"]));
    assert_slept(&s, &[]);
}

#[test]
fn an_agent_that_can_never_work_is_not_restarted() {
    let replies = |call: &str, _| match call {
        "wait" => exited(5),
        _ => default_reply(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Terminal);
    assert_eq!(s.outcome.exit().code(), 5);
    assert_eq!(s.calls, ONE_RUN);
}

#[test]
fn an_agent_that_fails_is_started_again_ever_later() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0..7) => exited(1),
        _ => default_reply(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    assert_slept(&s, &[0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]);
    assert_eq!(s.calls.len(), 8 * ONE_RUN.len() + 1);
}

#[test]
fn the_last_words_are_read_after_a_two() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0) => exited(2),
        ("logs", _) => response(200, "\u{1}\0\0\0\0\0\0\u{3}no\n"),
        _ => default_reply(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    assert_eq!(s.calls[6..8], ["find", "logs?stdout=1&stderr=1&tail=200"]);
    assert_slept(&s, &[0.5]);
}

#[test]
fn an_upgrade_is_loaded_and_started_at_once() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0) => exited(42),
        _ => default_reply(call),
    };
    let s = story(replies, |_| true);
    assert_loads(&s, &[Load::Desired; 1]);
    assert_slept(&s, &[]);
}

#[test]
fn an_upgrade_that_fails_or_repeats_backs_off() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0 | 1 | 3) => exited(42),
        ("wait", 2) => exited(1),
        _ => default_reply(call),
    };
    // At once; soon after: 0.5 s; another end: 1 s; not loaded: 2 s.
    let s = story(replies, |n| n != 2);
    assert_loads(&s, &[Load::Desired; 3]);
    assert_slept(&s, &[0.5, 1.0, 2.0]);
}

#[test]
fn after_two_bad_upgrades_the_cached_image_is_loaded() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0..3) => exited(42),
        _ => default_reply(call),
    };
    let s = story(replies, |_| true);
    let want = [Load::Desired, Load::Desired, Load::Cached];
    assert_loads(&s, &want);
    assert_slept(&s, &[0.5, 1.0]);
    // One that cannot be loaded counts as well; nor can the cached one: it goes on all the same.
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0..2) => exited(42),
        _ => default_reply(call),
    };
    let s = story(replies, |_| false);
    assert_loads(&s, &want);
    assert_slept(&s, &[0.5, 2.0]);
}

#[test]
fn a_dockerd_that_goes_away_in_an_upgrade_is_no_bad_upgrade() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0..3) => exited(42),
        _ => default_reply(call),
    };
    let engine = Engine::start(replies);
    let mut loads = Vec::new();
    let outcome = run_with(
        &engine.connect(&Stop::never()),
        &spec(),
        &Notify::default(),
        |_, which| {
            loads.push(which);
            Err(Error::with_source(
                Kind::InvalidInput,
                "load",
                Disconnected(std::io::ErrorKind::BrokenPipe.into()),
            ))
        },
        |_| Ok(()),
    );
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert_eq!(loads, [Load::Desired; 3]);
}

/// What dockerd tells of a container named as the agent's, made of `image` with this mark.
fn there(mark: &str, running: bool, image: &str) -> Reply {
    response(
        200,
        &format!(
            r#"{{"Id":"c0ffee","Image":"{image}","State":{{"Running":{running}}},
            "Config":{{"Labels":{{"{}":"{mark}"}}}}}}"#,
            identity::LABEL
        ),
    )
}

#[test]
fn an_agent_that_runs_as_it_would_be_made_is_taken_over() {
    let mark = identity::mark(&spec(), "sha256:1").unwrap();
    let replies = move |call: &str, _| match call {
        "find" => there(&mark, true, "sha256:1"),
        _ => default_reply(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    assert_eq!(s.calls, ["find", "image", "wait", "ping"]);
}

#[test]
fn any_other_container_of_the_name_gives_way() {
    let mark = identity::mark(&spec(), "sha256:1").unwrap();
    let older = identity::mark(&spec(), "sha256:0").unwrap();
    // Made of another image, or otherwise, or as it should be and not running.
    for (mark, running) in [(older.as_str(), true), ("", true), (&mark, false)] {
        let found = there(mark, running, "sha256:1");
        let replies = move |call: &str, _| match call {
            "find" => found.clone(),
            _ => default_reply(call),
        };
        let s = story(replies, |_| unreachable!());
        assert_eq!(s.outcome, Outcome::Done);
        assert_eq!(s.calls, one_run_and(&["ping"]));
    }
}

#[test]
fn the_image_of_a_replaced_container_goes_if_nobody_names_it() {
    let looked_at = |names: &'static str| {
        let replies = move |call: &str, n| match (call, n) {
            ("find", _) => there("", false, "sha256:0"),
            // The first is the agent's, the second the old one.
            ("image", 1) => response(200, &format!(r#"{{"Id":"sha256:0",{names}}}"#)),
            _ => default_reply(call),
        };
        let calls = story(replies, |_| unreachable!()).calls;
        let start = calls.iter().position(|c| c == "start").unwrap();
        calls[start + 1..].to_vec()
    };
    let dropped = ["image", "remove-image sha256:0", "wait", "ping"];
    assert_eq!(looked_at(r#""RepoTags":[],"RepoDigests":null"#), dropped);
    let kept = ["image", "wait", "ping"];
    assert_eq!(looked_at(r#""RepoTags":["somebody/elses:1"]"#), kept);
    assert_eq!(
        looked_at(r#""RepoTags":[],"RepoDigests":["a@sha256:0"]"#),
        kept
    );
}

#[test]
fn an_image_that_is_gone_is_loaded_again_once() {
    let gone = || response(404, r#"{"message":"No such image: the/agent:latest"}"#);
    // Gone before it is asked for; gone between that and the container; gone for good.
    let before = move |call: &str, n| match (call, n) {
        ("image", 0) => gone(),
        _ => default_reply(call),
    };
    let s = story(before, |_| true);
    assert_loads(&s, &[Load::Cached; 1]);
    let want = [
        "find", "image", "image", "remove", "create", "start", "wait", "ping",
    ];
    assert_eq!(s.calls, want);
    assert_slept(&s, &[]);

    let between = move |call: &str, n| match (call, n) {
        ("create", 0) => gone(),
        _ => default_reply(call),
    };
    let s = story(between, |_| true);
    assert_loads(&s, &[Load::Cached; 1]);
    let want = ["create", "image", "create", "start", "wait", "ping"];
    assert_eq!(s.calls[3..], want);
    assert_slept(&s, &[]);

    // Pruned as soon as it is loaded: not without end, and not without a pause.
    let again = move |call: &str, n| match (call, n) {
        ("create", 0..4) => gone(),
        _ => default_reply(call),
    };
    let s = story(again, |_| true);
    assert_loads(&s, &[Load::Cached; 2]);
    assert_slept(&s, &[0.5, 1.0]);

    // It cannot be loaded: tried again, later and later.
    let s = story(before, |_| false);
    assert_loads(&s, &[Load::Cached; 1]);
    assert_slept(&s, &[0.5]);
}

#[test]
fn the_order_to_stop_that_comes_while_the_container_is_made_ends_in_a_stopped_agent() {
    // It comes in each of the steps between two agents.
    for step in ["find", "image", "remove", "create", "start"] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let stop = Stop::from(OwnedFd::from(ours));
        let mut order = Some(theirs);
        let engine = Engine::start(move |call, _| {
            if call == step {
                order.take();
            }
            default_reply(call)
        });
        let outcome = run(
            &engine.connect(&stop),
            &spec(),
            &stop,
            &Notify::default(),
            |_, _| unreachable!(),
        );
        assert_eq!(outcome.unwrap(), Outcome::Interrupted, "{step}");
        let calls = engine.calls();
        assert_eq!(calls.last().unwrap(), "stop?t=10", "{step}");
        // What was asked of dockerd after the order is the stop, and never another start.
        let at = calls.iter().position(|c| c == step).unwrap();
        assert!(!calls[at + 1..].contains(&"start".to_owned()), "{calls:?}");
    }
}

#[test]
fn a_lost_connection_is_not_an_exit() {
    for cut in [Reply::Close, Reply::Truncated, response(200, "{\"Sta")] {
        let replies = move |call: &str, n| match (call, n) {
            ("wait", 0) => cut.clone(),
            _ => default_reply(call),
        };
        let s = story(replies, |_| unreachable!());
        assert_eq!(s.outcome, Outcome::Done);
        // Disconnected; back, and it runs; the end.
        let want = one_run_and(&["ping", "versioned-ping", "inspect", "wait", "ping"]);
        assert_eq!(s.calls, want);
    }
}

#[test]
fn an_agent_that_went_with_dockerd_is_started_again() {
    for code in ["0", "137", "143"] {
        let replies = move |call: &str, n| match (call, n) {
            ("wait", 0) => Reply::Close,
            ("inspect", 0) => response(
                200,
                &format!(r#"{{"Id":"c0ffee","State":{{"Running":false,"ExitCode":{code}}}}}"#),
            ),
            _ => default_reply(call),
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
        ("ping", 1) => Reply::Close,
        _ => default_reply(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    let creates = s.calls.iter().filter(|c| *c == "create").count();
    assert_eq!(creates, 2);
}

#[test]
fn an_agent_that_failed_for_good_while_dockerd_was_away_is_not_restarted() {
    let replies = |call: &str, n| match (call, n) {
        ("wait", 0) => Reply::Close,
        ("inspect", 0) => response(200, r#"{"Id":"c0ffee","State":{"ExitCode":5}}"#),
        _ => default_reply(call),
    };
    assert_eq!(
        story(replies, |_| unreachable!()).outcome,
        Outcome::Terminal
    );
}

#[test]
fn a_container_that_is_gone_is_made_anew() {
    let gone = || response(404, r#"{"message":"No such container"}"#);
    let replies = move |call: &str, n| match (call, n) {
        ("wait" | "inspect", 0) => gone(),
        _ => default_reply(call),
    };
    let s = story(replies, |_| unreachable!());
    assert_eq!(s.outcome, Outcome::Done);
    let mut want = one_run_and(&["inspect"]);
    want.extend(one_run_and(&["ping"]));
    assert_eq!(s.calls, want);
    assert_slept(&s, &[0.5]);
}

#[test]
fn what_dockerd_cannot_do_now_is_tried_again() {
    let no = || response(500, r#"{"message":"device or resource busy"}"#);
    let replies = move |call: &str, n| match (call, n) {
        ("remove" | "create" | "start", 0) | ("wait", 1) => no(),
        ("create", 1) => Reply::Close,
        ("wait", 0) => response(200, r#"{"StatusCode":0,"Error":{"Message":"no shim"}}"#),
        _ => default_reply(call),
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
            Reply::Stalled
        }
        _ => default_reply(call),
    });
    let outcome = run(
        &engine.connect(&stop),
        &spec(),
        &stop,
        &Notify::default(),
        |_, _| unreachable!(),
    );
    assert_eq!(outcome.unwrap(), Outcome::Interrupted);
    let mut want = ONE_RUN.to_vec();
    want.push("stop?t=10");
    assert_eq!(engine.calls()[2..], want);
}

/// In a dockerd that cannot start it at first, then one that can; the agent fails once.
#[test]
fn systemd_hears_when_the_agent_runs_and_when_it_does_not() {
    let dir = TempDir::new("supervise");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let replies = |call: &str, n| match (call, n) {
        ("start", 0) => response(500, r#"{"message":"no"}"#),
        ("wait", 0) => exited(1),
        ("wait", 1) => Reply::Close,
        _ => default_reply(call),
    };
    let engine = Engine::start(replies);
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
    // All of it has been sent: nothing is waited for.
    socket.set_nonblocking(true).unwrap();
    let mut heard = Vec::new();
    let mut bytes = [0; 256];
    while let Ok(n) = socket.recv(&mut bytes) {
        heard.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
    }
    let begins = [
        "STATUS=starting the agent again in 0.5 s",
        "READY=1\n",
        "STATUS=starting the agent again in 1.",
        "READY=1\n",
        "STOPPING=1\n",
    ];
    assert_eq!(heard.len(), begins.len(), "{heard:?}");
    for (message, begin) in heard.iter().zip(begins) {
        assert!(message.starts_with(begin), "{heard:?}");
    }
}

type Step = fn() -> Result<()>;

#[test]
fn the_order_to_stop_ends_a_pause_and_a_load_too() {
    let replies = |call: &str, _| match call {
        "wait" => exited(42),
        "stop?t=10" => response(404, ""),
        _ => default_reply(call),
    };
    let (fine, stopped): (Step, Step) = (|| Ok(()), || Err(Error::interrupted()));
    for (load, sleep) in [(stopped, fine), (fine, stopped)] {
        let engine = Engine::start(replies);
        let outcome = run_with(
            &engine.connect(&Stop::never()),
            &spec(),
            &Notify::default(),
            |_, _| load(),
            |_| sleep(),
        );
        assert_eq!(outcome.unwrap(), Outcome::Interrupted);
        assert_eq!(engine.calls().last().unwrap(), "stop?t=10");
    }
}
