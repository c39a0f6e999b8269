//! Restores the firewall rules of pre-start while the agent runs.

use crate::config::Config;
use crate::docker::Docker;
use crate::network::{self, Applied, Guard};

/// Starts the guard. `None` without rules, or after a logged error: the agent runs anyway.
pub fn watch_rules(config: &Config, docker: &Docker) -> Option<Guard> {
    let start = || {
        let bridge = docker.default_bridge()?;
        let applied = network::find_applied(&config.root, &config.network, bridge.as_ref())?;
        if applied.is_none() {
            log::debug!("pre-start wrote no firewall rules: none to restore");
        }
        applied.map(Applied::guard).transpose()
    };
    start().unwrap_or_else(|error| {
        log::warn!("{error}: firewall rules will not be restored after a reload");
        None
    })
}
