//! The network against the kernel itself, in namespaces of its own, with the system's `iptables`,
//! `nft` and `ip` as the judges. Needs root.

mod host;
mod namespace;
mod old_encoding;
mod oracle;
mod order;
mod raw;
mod refusals;
mod traffic;
mod undo;
mod write;

use ecs_init::config::NetworkConfig;
use ecs_init::interface::Interface;
use ecs_init::network;
use ecs_init::root::Root;

/// No switch set.
const DEFAULTS: NetworkConfig = NetworkConfig::DEFAULT;

/// What pre-start does on a host with `docker0`.
fn apply() {
    let _ =
        network::apply(&Root::default(), &DEFAULTS, Some(&Interface::docker0())).expect("apply");
}

/// What post-stop does.
fn undo() {
    let errors = network::undo(&Root::default(), &DEFAULTS);
    assert!(errors.is_empty(), "{errors:?}");
}
