//! `post-stop`: what pre-start wrote into the network is taken back.

use crate::config::Config;
use crate::network;

/// Needs no Docker. Goes on after a failure; each is logged and none returned, as in the
/// reference: a host on its way down must not stumble here.
pub fn run(config: &Config) {
    for error in network::undo(&config.root, &config.network) {
        log::error!("{error}");
    }
}
