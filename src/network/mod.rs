//! What the agent needs of the network: rules of the packet filter, two kernel settings and, on a
//! host without an IPv4 default route, a route. All through netlink and `/proc`; no program is run.
//!
//! [`rules`] says which rules, [`nft`] brings them into the kernel and takes them out, [`sysctl`]
//! and [`route`] do the rest; [`netlink`] is the language.

pub mod netlink;
pub mod nft;
pub mod route;
pub mod rule;
pub mod rules;
pub mod sysctl;

pub use rule::Family;
pub use rules::RuleSet;

use crate::config::NetworkConfig;
use crate::error::{Error, Result};
use crate::interface::Interface;
use crate::root::Root;

/// The network is as the agent needs it. Only [`apply`] makes one.
#[derive(Debug)]
#[must_use]
pub struct InPlace(());

/// The rules for this host, as [`apply`] would write them. `bridge` is the interface of Docker's
/// default bridge network, if there is one.
#[must_use]
pub fn rules_for(root: &Root, config: &NetworkConfig, bridge: Option<&Interface>) -> RuleSet {
    RuleSet::new(config, bridge, has_ipv6(root))
}

/// Brings the network to where the agent needs it; what is there already is left alone.
///
/// The rules come first and `route_localnet` last: it opens 127.0.0.0/8 to the outside, and the
/// rule that closes it again must be there by then.
///
/// # Errors
/// The first step that failed; those before it stay done, [`undo`] takes them back.
pub fn apply(root: &Root, config: &NetworkConfig, bridge: Option<&Interface>) -> Result<InPlace> {
    let wanted = rules_for(root, config, bridge);
    match nft::kernel::change(|now| nft::plan::apply(now, &wanted))? {
        0 => log::info!("firewall rules already in place: {}", wanted.len()),
        steps => log::info!(
            "firewall rules written: {} in place, {steps} changes",
            wanted.len()
        ),
    }
    route::apply()?;
    // Docker's usual one, if it did not say: it may come up later under that name.
    let usual = Interface::docker0();
    sysctl::refuse_router_advertisements(root, bridge.unwrap_or(&usual))?;
    sysctl::set_route_localnet(root)?;
    Ok(InPlace(()))
}

/// Takes back what [`apply`], or the reference, did, and leaves all else as it is. Goes on after an
/// error; all of them are returned. Asks nobody for the bridge's name: our rules carry a mark.
#[must_use]
pub fn undo(root: &Root, config: &NetworkConfig) -> Vec<Error> {
    let rules = || match nft::kernel::change(|now| Ok(nft::plan::undo(now, config)))? {
        0 => {
            log::debug!("firewall rules: none of ours there");
            Ok(())
        }
        steps => {
            log::info!("firewall rules taken out: {steps} changes");
            Ok(())
        }
    };
    // In the opposite order: 127.0.0.0/8 is closed before the rule that guards it goes.
    [
        sysctl::reset_route_localnet(root),
        route::undo().map(|_| ()),
        rules(),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect()
}

/// A kernel without IPv6 has no `ip6` rules to match anything with.
fn has_ipv6(root: &Root) -> bool {
    root.at("/proc/sys/net/ipv6").exists()
}
