//! `start`: the agent runs, and is kept running.

use crate::agent;
use crate::config::Config;
use crate::docker::Docker;
use crate::error::{Context, Error, Kind, Result};
use crate::fetch::s3_config;
use crate::host::Host;
use crate::supervise::lock::Lock;
use crate::supervise::notify::Notify;
use crate::supervise::{self, Load, Outcome};
use crate::sys::signal::Stop;

use crate::agent_image::AgentImage;
use crate::supervise::watch_rules::watch_rules;

/// Until the agent is done, can never work here, or SIGTERM or SIGINT comes.
pub fn run(config: &Config) -> Result<()> {
    s3_config::require_stored(config)?;
    let stop = Stop::install().context(|| "take SIGTERM and SIGINT")?;
    let _lock = Lock::take(&config.root)?;
    supervise(config, &stop)
}

/// The loop, for `start` and `run`. The caller has the lock: from before the first wait for dockerd
/// on, `stop` finds this supervisor.
pub fn supervise(config: &Config, stop: &Stop) -> Result<()> {
    let docker = Docker::connect(&config.docker_socket, config.docker_wait, stop)?;
    let _guard = watch_rules(config, &docker);
    let host = Host::read(&config.root, agent::paths(config));
    let plan = agent::plan(config, &host)?;
    for note in &plan.notes {
        log::warn!("{note}");
    }
    let image = AgentImage::new(config, stop)?;
    let load = |docker: &Docker, which| match which {
        Load::Desired => image.update(docker),
        Load::Cached => image.restore(docker),
    };
    let notify = Notify::new(config.notify_socket.as_deref());
    match supervise::run(&docker, &plan.container, stop, &notify, load)? {
        Outcome::Done | Outcome::Interrupted => Ok(()),
        Outcome::Terminal => Err(Error::new(
            Kind::AgentTerminal,
            "the agent says that it can never work here (its exit code 5)",
        )),
    }
}
