//! `start`: the agent runs, and is kept running.

use crate::agent;
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::host::Host;
use crate::supervise::{self, Outcome};
use crate::sys::signal::Stop;

use super::provide::Provider;

/// Until the agent is done, can never work here, or SIGTERM or SIGINT comes.
pub fn run(config: &Config) -> Result<()> {
    let stop = Stop::install().doing(|| "take SIGTERM and SIGINT")?;
    supervise(config, &stop)
}

/// The loop, for `start` and `run`.
pub fn supervise(config: &Config, stop: &Stop) -> Result<()> {
    let docker = super::docker(config, Some(stop))?;
    let _guard = super::guard::over_rules(config, &docker);
    let host = Host::read(&config.root, agent::paths(config));
    let plan = agent::plan(config, &host);
    for note in &plan.notes {
        log::warn!("{note}");
    }
    let provider = Provider::new(config, Some(stop))?;
    match supervise::run(&docker, &plan.container, stop, |docker| {
        provider.desired(docker)
    })? {
        Outcome::Done | Outcome::Stopped => Ok(()),
        end @ Outcome::Terminal => Err(Error::new(
            "the agent says that it can never work here (its exit code 5)",
        )
        .with_exit(end.exit())),
    }
}
