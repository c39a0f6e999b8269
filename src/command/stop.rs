//! `stop`, `pre-stop`: stop the agent.

use std::time::Duration;

use crate::config::Config;
use crate::docker::Docker;
use crate::error::Result;
use crate::supervise::{self, lock};
use crate::sys::signal::Stop;

/// The longest wait for dockerd. If dockerd is down there is probably no agent, but there may be
/// one (live-restore, a crashed dockerd): an error, but one that does not delay a shutdown for
/// long.
const DOCKER_WAIT: Duration = Duration::from_secs(5);

/// Stops the supervisor first, which stops its agent: it may be about to start one. Then stops an
/// agent that has no supervisor. Neither of them running is not an error.
pub fn run(config: &Config) -> Result<()> {
    let supervisor = lock::stop_supervisor(&config.root);
    let wait = config.docker_wait.min(DOCKER_WAIT);
    let agent = Docker::connect(&config.docker_socket, wait, &Stop::never())
        .and_then(|docker| supervise::stop_agent(&docker));
    if let (Err(error), Err(_)) = (&supervisor, &agent) {
        log::error!("{error}");
    }
    agent.and(supervisor)
}
