//! Supervision with a scripted Engine on a real socket, for any order of events. `tests/restart.rs`
//! and the cases in `qemu-tests` use a real dockerd.

mod daemon;
#[path = "../engine/mod.rs"]
mod engine;
mod exits;
mod images;
mod stop;

use ecs_init::docker::spec::ContainerSpec;
use ecs_init::error::{Error, Kind};
use ecs_init::supervise::{ImageToLoad, Notify, Outcome, run_with};
use ecs_init::sys::signal::Stop;
use engine::{Engine, Reply};

/// The requests from no container to the agent's exit.
const ONE_RUN: [&str; 6] = ["find", "image", "remove", "create", "start", "wait"];

/// The recorded course of a supervision.
struct Trace {
    outcome: Outcome,
    /// The requests, without the two of the connect.
    calls: Vec<String>,
    /// The pauses in seconds, with jitter.
    sleeps: Vec<f64>,
    loads: Vec<ImageToLoad>,
}

fn spec() -> ContainerSpec {
    ContainerSpec {
        image: "the/agent:latest".into(),
        ..ContainerSpec::default()
    }
}

/// Supervises an agent in an Engine with this script; `load` returns whether the n-th image can be
/// loaded.
fn supervise(
    script: impl FnMut(&str, usize) -> Reply + Send + 'static,
    mut load: impl FnMut(usize) -> bool,
) -> Trace {
    let engine = Engine::start(script);
    let (mut sleeps, mut loads) = (Vec::new(), Vec::new());
    let outcome = run_with(
        &engine.connect(&Stop::never()),
        &spec(),
        &Notify::default(),
        |_, image| {
            let ok = load(loads.len());
            loads.push(image);
            ok.then_some(())
                .ok_or_else(|| Error::new(Kind::Unavailable, "no such file"))
        },
        |pause| {
            sleeps.push(pause.as_secs_f64());
            Ok(())
        },
    );
    Trace {
        outcome: outcome.unwrap(),
        calls: engine.calls().split_off(2),
        sleeps,
        loads,
    }
}

/// [`supervise`] of an agent that is done in the end, for which no image is loaded.
fn supervise_without_loads(script: impl FnMut(&str, usize) -> Reply + Send + 'static) -> Trace {
    let trace = supervise(script, |_| unreachable!());
    assert_eq!(trace.outcome, Outcome::Done);
    trace
}

/// Asserts the sleeps; each may be up to a tenth longer.
#[track_caller]
fn assert_slept(trace: &Trace, want: &[f64]) {
    let near = |(got, want): (&f64, &f64)| (*want..=want * 1.1 + 1e-9).contains(got);
    assert!(
        trace.sleeps.len() == want.len() && trace.sleeps.iter().zip(want).all(near),
        "slept {:?}, not {want:?}",
        trace.sleeps
    );
}

/// Asserts that the agent was done after these loads.
#[track_caller]
fn assert_loads(trace: &Trace, want: &[ImageToLoad]) {
    assert_eq!(
        (trace.outcome, trace.loads.as_slice()),
        (Outcome::Done, want)
    );
}

/// [`ONE_RUN`] and more requests.
fn calls_of_one_run(more: &[&'static str]) -> Vec<&'static str> {
    [&ONE_RUN, more].concat()
}
