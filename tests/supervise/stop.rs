//! SIGTERM and SIGINT at each step.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use ecs_init::error::{Error, Result};
use ecs_init::supervise::{Notify, Outcome, run, run_with};
use ecs_init::sys::signal::Stop;

use super::engine::{Engine, Reply, default_reply, exited, response};
use super::{ONE_RUN, spec};

#[test]
fn stop_in_any_step_stops_the_agent_with_10_s() {
    for step in ONE_RUN {
        let (receiver, sender) = UnixStream::pair().unwrap();
        let stop = Stop::from(OwnedFd::from(receiver));
        // Dropped, it is the request to stop.
        let mut request = Some(sender);
        let engine = Engine::start(move |call, _| {
            if call == step {
                request.take();
            }
            match call {
                // The agent keeps running.
                "wait" => Reply::Stalled,
                _ => default_reply(call),
            }
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
        let at = calls.iter().position(|c| c == step).unwrap();
        assert!(!calls[at + 1..].contains(&"start".to_owned()), "{calls:?}");
    }
}

type Step = fn() -> Result<()>;

#[test]
fn stop_interrupts_pause_and_load() {
    let script = |call: &str, _| match call {
        "wait" => exited(42),
        "stop?t=10" => response(404, ""),
        _ => default_reply(call),
    };
    let (ok, interrupted): (Step, Step) = (|| Ok(()), || Err(Error::interrupted()));
    for (load, sleep) in [(interrupted, ok), (ok, interrupted)] {
        let engine = Engine::start(script);
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
