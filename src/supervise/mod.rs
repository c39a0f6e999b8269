//! Supervision of the agent's container: create, start, wait, and act on its exit.
//!
//! | module | contents |
//! |---|---|
//! | `run_loop` | the loop; recovery when dockerd is away |
//! | `ensure_running` | adopt or replace the existing container |
//! | [`spec_digest`] | whether an existing container matches (pure) |
//! | `policy` | what to do after an exit, and when (pure) |
//! | `notify` | messages to systemd |
//! | [`lock`] | one supervisor per host; how `stop` finds it |
//! | `respawn_delay` | pause before the exit under an init that always restarts the process |
//! | `watch_rules` | restores the firewall rules while the agent runs |

mod ensure_running;
pub mod lock;
mod notify;
mod policy;
mod respawn_delay;
mod run_loop;
pub mod spec_digest;
mod watch_rules;

pub(crate) use lock::Lock;
pub use notify::Notify;
pub use respawn_delay::respawn_delay;
pub(crate) use watch_rules::watch_rules;

use std::time::Duration;

use crate::docker::spec::ContainerSpec;
use crate::docker::{Disconnected, Docker};
use crate::error::Result;
use crate::retry;
use crate::sys::signal::Stop;
use policy::Policy;
use run_loop::Supervisor;

/// The name of the agent's container.
pub const CONTAINER: &str = "ecs-agent";

/// The time between SIGTERM and SIGKILL when the agent is stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Which image to load into Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageToLoad {
    /// The version that the agent requests.
    Requested,
    /// The cached one, the last that was verified.
    Cached,
}

/// How the supervision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The agent exited with 0.
    Done,
    /// The agent exited with 5: it can never run on this host.
    Terminal,
    /// SIGTERM or SIGINT arrived; the agent was stopped.
    Interrupted,
}

/// Runs the agent and restarts it until it exits with 0 or 5, or until `stop`. `docker` must have
/// the same `stop`. A running container that matches `spec` is adopted. `load` loads an image
/// through the given connection, which differs from `docker` after dockerd was away. `notify` sends
/// the state to systemd: started, restarting, stopping.
///
/// # Errors
/// dockerd came back with an API version that is not supported (see [`Docker::connect`]), or the
/// agent cannot be stopped. Other errors are logged and retried.
pub fn run(
    docker: &Docker,
    spec: &ContainerSpec,
    stop: &Stop,
    notify: &Notify,
    load: impl FnMut(&Docker, ImageToLoad) -> Result<()>,
) -> Result<Outcome> {
    run_with(docker, spec, notify, load, |pause| {
        retry::sleep(stop, pause)
    })
}

/// [`run`] with a replaceable `sleep`, for tests. If `sleep` returns
/// [`Kind::Interrupted`](crate::error::Kind), the agent is stopped.
///
/// # Errors
/// Those of [`run`].
pub fn run_with(
    docker: &Docker,
    spec: &ContainerSpec,
    notify: &Notify,
    load: impl FnMut(&Docker, ImageToLoad) -> Result<()>,
    sleep: impl FnMut(Duration) -> Result<()>,
) -> Result<Outcome> {
    let mut supervisor = Supervisor {
        docker: docker.clone(),
        spec,
        notify,
        policy: Policy::default(),
        load,
        sleep,
    };
    match supervisor.run_loop() {
        Err(e) if e.is_interrupted() => {
            notify.stopping();
            stop_agent(&supervisor.docker)?;
            Ok(Outcome::Interrupted)
        }
        result => result,
    }
}

/// Stops the agent with SIGTERM, and after 10 s with SIGKILL. Signals do not interrupt this. It is
/// not an error if the agent does not run.
///
/// # Errors
/// dockerd refuses, or is away for more than 10 s.
pub(crate) fn stop_agent(docker: &Docker) -> Result<()> {
    let docker = docker.without_stop();
    log::info!("stopping the agent");
    match docker.stop_container(CONTAINER, STOP_TIMEOUT) {
        Err(e) if e.find::<Disconnected>().is_some() => {
            log::warn!("{e}");
            let docker = docker.reconnect_within(STOP_TIMEOUT)?;
            docker.stop_container(CONTAINER, STOP_TIMEOUT)?;
        }
        result => result?,
    }
    log::info!("the agent is stopped");
    Ok(())
}
