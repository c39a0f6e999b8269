//! The host's network for the agent: packet filter rules, two kernel settings and, on a host
//! without an IPv4 default route, a route. Uses netlink and `/proc`, and starts no program.
//!
//! | module | contents |
//! |---|---|
//! | this one | applies and undoes all of it |
//! | `guard` | restores rules that another program removed |
//! | `firewall` | chooses iptables or nftables |
//! | `desired_state` | the rules that this host needs, in the chosen firewall |
//! | `rules`, `rule`, `chain` | the table of rules; a rule, a chain (pure) |
//! | [`nft`] | reads and writes rules in the kernel's `nf_tables` |
//! | `sysctl`, `route` | kernel settings; the route to the credentials' address |
//! | [`netlink`] | messages to the kernel |

mod chain;
mod desired_state;
mod firewall;
mod guard;
pub mod netlink;
pub mod nft;
mod rate_limit;
mod route;
mod rule;
mod rules;
mod sysctl;

pub use desired_state::DesiredState;
pub use guard::Guard;
pub use rules::RuleInputs;

use crate::config::{Firewall, NetworkConfig};
use crate::error::{Error, Result};
use crate::types::{Interface, Root};
use nft::snapshot::Snapshot;
use nft::{compat_probe, kernel};

/// Proof that the network is set up. Only [`apply`] and [`find_applied`] return one.
#[derive(Debug)]
pub struct Applied(DesiredState);

impl Applied {
    /// Starts to restore the rules whenever another program removes them.
    ///
    /// # Errors
    /// The kernel does not send notifications, or no thread can be started.
    pub fn guard(self) -> Result<Guard> {
        Guard::start(self.0)
    }
}

/// What determines this host's rules. `bridge` is the interface of Docker's default bridge network,
/// if it has one.
pub fn rule_inputs(root: &Root, config: &NetworkConfig, bridge: Option<&Interface>) -> RuleInputs {
    RuleInputs {
        config: config.clone(),
        bridge: bridge.cloned(),
        // A kernel without IPv6 has no ip6 tables.
        ipv6: root.at("/proc/sys/net/ipv6").exists(),
        closed_input: false,
    }
}

/// The desired state, and the reason for its firewall.
fn desired_state(inputs: RuleInputs) -> Result<(DesiredState, String)> {
    let (firewall, reason) =
        firewall::choose(inputs.config.firewall, compat_probe::missing_module)?;
    Ok((DesiredState { firewall, inputs }, reason))
}

/// Sets up the network. Idempotent.
///
/// Rules are first and `route_localnet` is last: it makes 127.0.0.0/8 reachable for hosts on the
/// same link, so the rule that blocks them must already exist.
///
/// # Errors
/// The first step that failed; the steps before it are kept, [`undo`] reverts them.
pub fn apply(root: &Root, config: &NetworkConfig, bridge: Option<&Interface>) -> Result<Applied> {
    let (desired, reason) = desired_state(rule_inputs(root, config, bridge))?;
    log::info!("firewall: {} ({reason})", desired.firewall);
    if config.block_imds && bridge.is_none() {
        log::warn!("ECS_INIT_BLOCK_IMDS has no effect: Docker has no default bridge network");
    }
    let update = kernel::update(|current| desired.steps(current))?;
    let rules = desired.rule_count(&update.before);
    match update.steps {
        0 => log::info!("firewall rules already in place: {rules}"),
        steps => log::info!("firewall rules written: {rules} in place, {steps} changes"),
    }
    for chain in desired.blocking_chains(&update.before) {
        log::warn!(
            "the chain {chain} drops by policy, which no other chain can overrule: tasks on the \
             bridge get no credentials unless it has a rule such as \"ct status dnat accept\""
        );
    }
    let legacy = firewall::legacy_tables(root);
    if !legacy.is_empty() {
        log::warn!(
            "iptables-legacy tables are in use besides nf_tables ({}): a DROP in either is final; \
             iptables-nft and nft show the rules of ecs-init, iptables-legacy does not",
            legacy.join(", ")
        );
    }
    route::apply()?;
    // If Docker has no bridge yet, it may create one of its default name later.
    let docker0 = Interface::docker0();
    sysctl::refuse_router_advertisements(root, bridge.unwrap_or(&docker0))?;
    sysctl::set_route_localnet(root)?;
    Ok(Applied(desired))
}

/// The state that an earlier [`apply`] set up. `None` if the kernel has no rules of it, for example
/// because the administrator does not use `pre-start`.
///
/// # Errors
/// The kernel's rules cannot be read.
pub fn find_applied(
    root: &Root,
    config: &NetworkConfig,
    bridge: Option<&Interface>,
) -> Result<Option<Applied>> {
    if !kernel::read()?.has_marked() {
        return Ok(None);
    }
    let (desired, _) = desired_state(rule_inputs(root, config, bridge))?;
    Ok(Some(Applied(desired)))
}

/// The rules that [`apply`] would write now, as text: for iptables as `iptables-save` prints them,
/// for nftables as a script for `nft -f`.
///
/// # Errors
/// The kernel's rules cannot be read.
pub fn render(root: &Root, config: &NetworkConfig, bridge: Option<&Interface>) -> Result<String> {
    let (desired, _) = desired_state(rule_inputs(root, config, bridge))?;
    Ok(desired.render(&kernel::read()?))
}

/// Like [`render`], but without reading from the kernel: assumes that it has nft_compat and no
/// other rules.
pub fn render_without_kernel(
    root: &Root,
    config: &NetworkConfig,
    bridge: Option<&Interface>,
) -> String {
    let desired = DesiredState {
        firewall: config.firewall.unwrap_or(Firewall::Iptables),
        inputs: rule_inputs(root, config, bridge),
    };
    desired.render(&Snapshot::default())
}

/// Reverts what [`apply`] or amazon-ecs-init set up. Continues after an error and returns all
/// errors. Does not need the bridge's name: rules have a mark.
pub fn undo(root: &Root, config: &NetworkConfig) -> Vec<Error> {
    let rules = || {
        let update = kernel::update(|current| Ok(desired_state::undo_steps(current, config)))?;
        if update.before.has_marked() {
            log::info!("firewall rules removed");
        }
        Ok(())
    };
    // The reverse order: 127.0.0.0/8 is closed before the rule that protects it is removed.
    [sysctl::reset_route_localnet(root), route::undo(), rules()]
        .into_iter()
        .filter_map(Result::err)
        .collect()
}
