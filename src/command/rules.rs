//! `rules`: print the firewall rules of pre-start, in the format of `iptables-save` or of `nft`.

use std::io::Write;
use std::time::Duration;

use crate::config::Config;
use crate::docker::Docker;
use crate::error::{Context, Result};
use crate::network;
use crate::sys::signal::Stop;
use crate::types::Interface;

/// Changes nothing.
pub fn run(config: &Config) -> Result<()> {
    let bridge = bridge(config);
    let (root, settings) = (&config.root, &config.network);
    let text = network::render(root, settings, bridge.as_ref()).unwrap_or_else(|error| {
        log::warn!("{error}; assuming that the firewall has no other rules");
        network::render_without_kernel(root, settings, bridge.as_ref())
    });
    std::io::stdout()
        .write_all(text.as_bytes())
        .context(|| "print the rules")
}

/// The bridge that Docker reports, or `docker0` if Docker does not answer at once.
fn bridge(config: &Config) -> Option<Interface> {
    let answer = Docker::connect(&config.docker_socket, Duration::ZERO, &Stop::never())
        .and_then(|docker| docker.default_bridge());
    match answer {
        Ok(bridge) => bridge,
        Err(error) => {
            log::warn!(
                "{error}; assuming that the bridge is {}",
                Interface::docker0()
            );
            Some(Interface::docker0())
        }
    }
}
