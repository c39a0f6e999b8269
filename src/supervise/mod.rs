//! The loop around the agent's container: create, start, wait, and what its end asks for.
//!
//! | module | what it is |
//! |---|---|
//! | `cycle` | the loop: the calls, and what to make of dockerd being away |
//! | `begin` | from whatever there is to an agent that runs |
//! | [`identity`] | whether a container is the one that we would make (pure) |
//! | [`policy`], [`backoff`] | what comes after the agent's end, and when (pure) |
//! | [`notify`] | what systemd is told |
//! | [`lock`] | one supervisor to a host; how `stop` finds it |

pub mod backoff;
mod begin;
mod cycle;
pub mod identity;
pub mod lock;
pub mod notify;
pub mod policy;
pub mod respawn_delay;
pub mod watch_rules;

use std::time::Duration;

use crate::docker::spec::ContainerSpec;
use crate::docker::{Disconnected, Docker};
use crate::error::{Context, Error, Exit, Result};
use crate::sys::signal::{Stop, WaitResult};
use cycle::Supervisor;
use notify::Notify;

/// The name of the agent's container.
pub const CONTAINER: &str = "ecs-agent";

/// What the agent has between the SIGTERM and the SIGKILL.
pub const GRACE: Duration = Duration::from_secs(10);

/// Which image is to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// The one that the agent asks for.
    Desired,
    /// The cached one, the last that is known to be good.
    Cached,
}

/// How the supervision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The agent exited with 0.
    Done,
    /// The agent exited with 5: it can never work here.
    Terminal,
    /// SIGTERM or SIGINT came; the agent has been stopped.
    Interrupted,
}

impl Outcome {
    /// How the process ends.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Outcome::Done | Outcome::Interrupted => Exit::Success,
            Outcome::Terminal => Exit::AgentTerminal,
        }
    }
}

/// Runs the agent until it is done, can never work, or SIGTERM or SIGINT (`stop`, which `docker`
/// has to know as well) comes. An agent that runs already as `spec` has it is not started anew but
/// taken over. `load` loads an image into the dockerd that is there by then: it may be another
/// one than at the start. `notify` hears when the agent runs, when it is about to be started
/// again, and when it is stopped.
///
/// # Errors
/// If dockerd turns into one that may not be talked to (see [`Docker::connect`]), or the agent
/// cannot be stopped. All else is tried again.
pub fn run(
    docker: &Docker,
    spec: &ContainerSpec,
    stop: &Stop,
    notify: &Notify,
    load: impl FnMut(&Docker, Load) -> Result<()>,
) -> Result<Outcome> {
    run_with(docker, spec, notify, load, |pause| {
        match stop.sleep(pause).context(|| "wait before the next start")? {
            WaitResult::Interrupted => Err(Error::interrupted()),
            _ => Ok(()),
        }
    })
}

/// [`run`] with another way to sleep, which fails with [`Error::interrupted`] when it is to end.
///
/// # Errors
/// Those of [`run`].
pub fn run_with(
    docker: &Docker,
    spec: &ContainerSpec,
    notify: &Notify,
    load: impl FnMut(&Docker, Load) -> Result<()>,
    sleep: impl FnMut(Duration) -> Result<()>,
) -> Result<Outcome> {
    let mut supervisor = Supervisor::new(docker, spec, notify, load, sleep);
    match supervisor.supervise() {
        Err(e) if e.is_interrupted() => {
            notify.stopping();
            stop_agent(supervisor.docker())?;
            Ok(Outcome::Interrupted)
        }
        end => end,
    }
}

/// Stops the agent, with its grace. No signal interrupts this. An agent that does not run is
/// stopped.
///
/// # Errors
/// If dockerd does not do it, or is away and does not come back within seconds.
pub fn stop_agent(docker: &Docker) -> Result<()> {
    let docker = docker.without_stop();
    log::info!("stopping the agent");
    match docker.stop_container(CONTAINER, GRACE) {
        Err(e) if e.find::<Disconnected>().is_some() => {
            log::warn!("{e}");
            let docker = docker.reconnect_within(GRACE)?;
            docker.stop_container(CONTAINER, GRACE)?;
        }
        result => result?,
    }
    log::info!("the agent is stopped");
    Ok(())
}
