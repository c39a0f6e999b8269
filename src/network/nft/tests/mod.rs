//! Tests without a kernel.

mod encoding;
mod planning;

use crate::config::NetworkConfig;
use crate::network::rules::{RuleInputs, RuleSet};
use crate::types::Interface;

const DEFAULTS: NetworkConfig = NetworkConfig::DEFAULT;

fn rules_with(config: NetworkConfig, bridge: Interface) -> RuleSet {
    RuleSet::new(&RuleInputs {
        config,
        bridge: Some(bridge),
        ipv6: true,
        closed_input: false,
    })
}

fn default_rules() -> RuleSet {
    rules_with(DEFAULTS, Interface::docker0())
}
