//! The network against the kernel itself, in namespaces of its own, with the system's `iptables`,
//! `nft` and `ip` as the judges. Needs root.

mod guard;
mod hardened;
mod host;
mod imds;
mod namespace;
mod neighbour;
mod old_encoding;
mod oracle;
mod order;
mod raw;
mod refusals;
mod traffic;
mod undo;
mod variants;
mod write;

use ecs_init::config::{Firewall, NetworkConfig};
use ecs_init::network;
use ecs_init::types::Interface;
use ecs_init::types::Root;

/// No switch set.
const DEFAULTS: NetworkConfig = NetworkConfig::DEFAULT;

/// Tables of our own.
const NFTABLES: NetworkConfig = NetworkConfig {
    firewall: Some(Firewall::Nftables),
    ..DEFAULTS
};
/// The same with all the rules that there can be.
const BLOCK_IMDS: NetworkConfig = NetworkConfig {
    block_imds: true,
    ..NFTABLES
};

/// What pre-start does on a host with `docker0`.
fn apply() {
    apply_with(&DEFAULTS);
}

/// The same with other settings.
fn apply_with(config: &NetworkConfig) {
    let _ = network::apply(&Root::default(), config, Some(&Interface::docker0())).expect("apply");
}

/// What post-stop does.
fn undo() {
    let errors = network::undo(&Root::default(), &DEFAULTS);
    assert!(errors.is_empty(), "{errors:?}");
}
