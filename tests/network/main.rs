//! The network against the kernel, each test in its own network namespace, with the system's
//! `iptables`, `nft` and `ip` as oracles. Needs root.

mod closed_input;
mod conflicts;
mod errors;
mod expressions;
mod guard;
mod host;
mod imds;
mod namespace;
mod neighbour;
mod nftables;
mod oracle;
mod other_encodings;
mod traffic;
mod undo;
mod write;

use ecs_init::config::{Firewall, NetworkConfig};
use ecs_init::network::{self, DesiredState};
use ecs_init::types::{Interface, Root};

/// No variable set.
const DEFAULTS: NetworkConfig = NetworkConfig::DEFAULT;

/// Rules in the dedicated tables.
const NFTABLES: NetworkConfig = NetworkConfig {
    firewall: Some(Firewall::Nftables),
    ..DEFAULTS
};

/// Every rule, in the dedicated tables.
const NFTABLES_BLOCK_IMDS: NetworkConfig = NetworkConfig {
    block_imds: true,
    ..NFTABLES
};

/// What pre-start does on a host with `docker0`.
fn apply() {
    apply_with(&DEFAULTS);
}

/// What it does with another configuration.
fn apply_with(config: &NetworkConfig) {
    apply_for(config, Some("docker0"));
}

/// What it does with another configuration and bridge.
fn apply_for(config: &NetworkConfig, bridge: Option<&str>) {
    let bridge = bridge.map(|name| Interface::new(name).expect("an interface name"));
    let _ = network::apply(&Root::default(), config, bridge.as_ref()).expect("apply");
}

/// What post-stop does.
fn undo() {
    let errors = network::undo(&Root::default(), &DEFAULTS);
    assert!(errors.is_empty(), "{errors:?}");
}

/// The desired state of a host with `docker0`.
fn desired_state(config: &NetworkConfig) -> DesiredState {
    DesiredState {
        firewall: config.firewall.unwrap_or(Firewall::Iptables),
        inputs: network::rule_inputs(&Root::default(), config, Some(&Interface::docker0())),
    }
}
