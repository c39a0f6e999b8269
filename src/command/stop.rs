//! `stop`, `pre-stop`: the agent is stopped.

use std::time::Duration;

use crate::config::Config;
use crate::docker::Docker;
use crate::error::Result;
use crate::supervise::{self, lock};
use crate::sys::signal::Stop;

/// How long dockerd is waited for, if the configuration does not say less. Under a dockerd that
/// is down there is hardly an agent; but there can be one (live-restore, a dockerd that crashed),
/// and nobody can tell: a failure, then, but one that does not hold up a host on its way down.
const DOCKER_WAIT: Duration = Duration::from_secs(5);

/// With its ten seconds of grace. An agent that does not run is stopped.
///
/// A supervisor is told first, and stops its agent: it may be about to start one, and would
/// start another for one that does not end with 0. Under systemd this is `ExecStop`; the
/// supervisor ends with 0, as it does after systemd's own SIGTERM.
pub fn run(config: &Config) -> Result<()> {
    let ended = lock::end_supervisor(&config.root);
    let wait = config.docker_wait.min(DOCKER_WAIT);
    let stopped = Docker::connect(&config.docker_socket, wait, &Stop::never())
        .and_then(|docker| supervise::stop_agent(&docker));
    if let (Err(error), Err(_)) = (&ended, &stopped) {
        log::error!("{error}");
    }
    stopped.and(ended)
}
