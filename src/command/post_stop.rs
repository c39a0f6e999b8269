//! `post-stop`: undo the network changes of pre-start.

use crate::config::Config;
use crate::network;

/// Needs no Docker. Errors are logged and not returned, as in amazon-ecs-init: they must not fail
/// the shutdown of the host.
pub fn run(config: &Config) {
    for error in network::undo(&config.root, &config.network) {
        log::error!("{error}");
    }
}
