//! `start`: run the agent and restart it.

use crate::agent;
use crate::agent_image;
use crate::config::Config;
use crate::docker::Docker;
use crate::error::{Context, Error, Kind, Result};
use crate::fetch::s3_config;
use crate::host::Host;
use crate::supervise::{self, ImageToLoad, Lock, Notify, Outcome, watch_rules};
use crate::sys::signal::Stop;

/// Returns when the agent is done or can never run on this host, or after SIGTERM or SIGINT.
pub fn run(config: &Config) -> Result<()> {
    s3_config::require_stored(config)?;
    let stop = Stop::install().context(|| "handle SIGTERM and SIGINT")?;
    let _lock = Lock::acquire(&config.root)?;
    supervise(config, &stop)
}

/// Supervises the agent, for `start` and `run`. The caller has the lock: `stop` then finds this
/// process even while it waits for dockerd.
pub fn supervise(config: &Config, stop: &Stop) -> Result<()> {
    let docker = Docker::connect(&config.docker_socket, config.docker_wait, stop)?;
    let _guard = watch_rules(config, &docker);
    let host = Host::read(&config.root, agent::paths(config));
    let plan = agent::plan(config, &host)?;
    for warning in &plan.warnings {
        log::warn!("{warning}");
    }
    let image = agent_image::source(config, stop)?;
    let load = |docker: &Docker, which| match which {
        ImageToLoad::Requested => image.update(docker),
        ImageToLoad::Cached => image.restore(docker),
    };
    let notify = Notify::new(config.notify_socket.as_deref());
    match supervise::run(&docker, &plan.container, stop, &notify, load)? {
        Outcome::Done | Outcome::Interrupted => Ok(()),
        Outcome::Terminal => Err(Error::new(
            Kind::AgentTerminal,
            "the agent exited with 5: it can never run on this host",
        )),
    }
}
