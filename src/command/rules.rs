//! `rules`: what pre-start would write, in the form of `iptables-save`.

use std::io::Write;
use std::time::Duration;

use crate::config::Config;
use crate::docker::Docker;
use crate::error::{Context, Result};
use crate::interface::Interface;
use crate::network::{self, Family};

/// Writes nothing but its output.
pub fn run(config: &Config) -> Result<()> {
    let bridge = bridge(config);
    let rules = network::rules_for(&config.root, &config.network, bridge.as_ref());
    let mut text = String::new();
    for (family, tool) in [(Family::Ip4, "iptables"), (Family::Ip6, "ip6tables")] {
        let saved = rules.saved(family).to_string();
        if !saved.is_empty() {
            text.extend(["# ", tool, "\n", &saved]);
        }
    }
    std::io::stdout()
        .write_all(text.as_bytes())
        .doing(|| "print the rules")
}

/// Docker's answer if it gives one at once, else its usual bridge.
fn bridge(config: &Config) -> Option<Interface> {
    let asked = Docker::connect(&config.docker_socket, Duration::ZERO, None)
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
