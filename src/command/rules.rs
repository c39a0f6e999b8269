//! `rules`: what pre-start would write, in the form of `iptables-save` or of `nft`.

use std::io::Write;
use std::time::Duration;

use crate::config::Config;
use crate::docker::Docker;
use crate::error::{Context, Result};
use crate::network;
use crate::sys::signal::Stop;
use crate::types::Interface;

/// Writes nothing but its output.
pub fn run(config: &Config) -> Result<()> {
    let bridge = bridge(config);
    let (root, settings) = (&config.root, &config.network);
    let text = network::render(root, settings, bridge.as_ref()).unwrap_or_else(|error| {
        log::warn!("{error}; the firewall is taken to be empty otherwise");
        network::render_without_kernel(root, settings, bridge.as_ref())
    });
    std::io::stdout()
        .write_all(text.as_bytes())
        .context(|| "print the rules")
}

/// Docker's answer if it gives one at once, else its usual bridge.
fn bridge(config: &Config) -> Option<Interface> {
    let asked = Docker::connect(&config.docker_socket, Duration::ZERO, &Stop::never())
        .and_then(|docker| docker.default_bridge());
    match asked {
        Ok(bridge) => bridge,
        Err(error) => {
            log::warn!(
                "{error}; the bridge is taken to be {}",
                Interface::docker0()
            );
            Some(Interface::docker0())
        }
    }
}
