//! While the agent runs, the rules that pre-start wrote are looked after.

use crate::config::Config;
use crate::docker::Docker;
use crate::network::{self, Guard};

/// None if there are none. The agent is to run even if nobody can look after them.
pub fn watch_rules(config: &Config, docker: &Docker) -> Option<Guard> {
    let guard = || {
        let bridge = docker.default_bridge()?;
        let found = network::found(&config.root, &config.network, bridge.as_ref())?;
        if found.is_none() {
            log::debug!("no firewall rules of pre-start's there: nothing to look after");
        }
        found.map(network::InPlace::guard).transpose()
    };
    guard().unwrap_or_else(|error| {
        log::warn!("{error}: nobody puts the firewall's rules back if a reload takes them out");
        None
    })
}
