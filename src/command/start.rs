//! `start`: the agent runs, and is kept running.

use crate::agent;
use crate::config::Config;
use crate::docker::Docker;
use crate::error::{Context, Error, Result};
use crate::host::Host;
use crate::supervise::lock::Lock;
use crate::supervise::notify::Notify;
use crate::supervise::{self, Load, Outcome};
use crate::sys::signal::Stop;

use super::provide::Provider;

/// Until the agent is done, can never work here, or SIGTERM or SIGINT comes.
pub fn run(config: &Config) -> Result<()> {
    let stop = Stop::install().doing(|| "take SIGTERM and SIGINT")?;
    let _lock = Lock::take(&config.root)?;
    supervise(config, &stop)
}

/// The loop, for `start` and `run`. The caller has the lock: from before the first wait for dockerd
/// on, `stop` finds this supervisor.
pub fn supervise(config: &Config, stop: &Stop) -> Result<()> {
    let docker = super::docker(config, Some(stop))?;
    let _guard = super::guard::over_rules(config, &docker);
    let host = Host::read(&config.root, agent::paths(config));
    let plan = agent::plan(config, &host)?;
    for note in &plan.notes {
        log::warn!("{note}");
    }
    let provider = Provider::new(config, Some(stop))?;
    let load = |docker: &Docker, which| match which {
        Load::Desired => provider.desired(docker),
        Load::Cached => provider.reload(docker),
    };
    let notify = Notify::new(config.notify_socket.as_deref());
    match supervise::run(&docker, &plan.container, stop, &notify, load)? {
        Outcome::Done | Outcome::Stopped => Ok(()),
        end @ Outcome::Terminal => Err(Error::new(
            "the agent says that it can never work here (its exit code 5)",
        )
        .with_exit(end.exit())),
    }
}
