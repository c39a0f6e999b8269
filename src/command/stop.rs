//! `stop`, `pre-stop`: stop the agent.

use std::time::Duration;

use crate::config::Config;
use crate::docker::Docker;
use crate::error::Result;
use crate::supervise::{self, lock};
use crate::sys::signal::Stop;

/// The longest wait for dockerd. An agent can run without dockerd (live-restore, a crashed
/// dockerd), therefore an unreachable dockerd is an error. The wait is short because it delays a
/// shutdown.
const DOCKER_WAIT: Duration = Duration::from_secs(5);

/// Stops the supervisor first, which stops its agent: it could otherwise start another one. Then
/// stops an agent without a supervisor. It is not an error if neither is running.
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
