//! What the agent needs of the network: rules of the packet filter, two kernel settings and, on a
//! host without an IPv4 default route, a route. All through netlink and `/proc`; no program is run.
//!
//! [`rules`] says which rules, [`firewall`] in which variant, [`nft`] brings them into the kernel
//! and takes them out, and a [`Guard`] puts them back; [`sysctl`] and [`route`] do the rest;
//! [`netlink`] is the language.

pub mod firewall;
mod guard;
pub mod netlink;
pub mod nft;
mod pace;
pub mod route;
pub mod rule;
pub mod rules;
pub mod sysctl;

pub use guard::Guard;
pub use rule::Family;
pub use rules::RuleSet;

use crate::config::{Firewall, NetworkConfig};
use crate::error::{Error, Result};
use crate::types::Interface;
use crate::types::Root;
use firewall::{Choice, Wanted};
use nft::snapshot::Snapshot;

/// The network is as the agent needs it. Only [`apply`] and [`found`] make one.
#[derive(Debug)]
#[must_use]
pub struct InPlace(Wanted);

impl InPlace {
    /// Puts the rules back from now on, should somebody take them out.
    ///
    /// # Errors
    /// The kernel does not tell us of changes, or there can be no thread.
    pub fn guard(self) -> Result<Guard> {
        Guard::start(self.0)
    }
}

/// The rules for this host, as [`apply`] would write them where nothing else is in the firewall.
/// `bridge` is the interface of Docker's default bridge network, if there is one.
#[must_use]
pub fn rules_for(root: &Root, config: &NetworkConfig, bridge: Option<&Interface>) -> RuleSet {
    RuleSet::new(config, bridge, has_ipv6(root))
}

fn wanted(
    root: &Root,
    config: &NetworkConfig,
    bridge: Option<&Interface>,
) -> Result<(Choice, Wanted)> {
    let choice = Choice::new(config.firewall, nft::compat::missing)?;
    let wanted = Wanted {
        variant: choice.variant,
        rules: rules_for(root, config, bridge),
        config: config.clone(),
    };
    Ok((choice, wanted))
}

/// Brings the network to where the agent needs it; what is there already is left alone.
///
/// The rules come first and `route_localnet` last: it opens 127.0.0.0/8 to the outside, and the
/// rule that closes it again must be there by then.
///
/// # Errors
/// The first step that failed; those before it stay done, [`undo`] takes them back.
pub fn apply(root: &Root, config: &NetworkConfig, bridge: Option<&Interface>) -> Result<InPlace> {
    let (choice, wanted) = wanted(root, config, bridge)?;
    log::info!("firewall: {choice}");
    if config.block_imds && bridge.is_none() {
        log::warn!(
            "ECS_INIT_BLOCK_IMDS: Docker has no default bridge network, so no rule is needed"
        );
    }
    let changed = nft::kernel::change(|now| wanted.steps(now))?;
    let rules = wanted.len(&changed.before);
    match changed.steps {
        0 => log::info!("firewall rules already in place: {rules}"),
        steps => log::info!("firewall rules written: {rules} in place, {steps} changes"),
    }
    for chain in wanted.in_the_way(&changed.before) {
        log::warn!(
            "the chain {chain} drops what it does not accept itself, and no other chain can \
             overrule it: tasks on the bridge get no credentials unless it has a rule like \
             \"ct status dnat accept\""
        );
    }
    let legacy = firewall::legacy_tables(root);
    if !legacy.is_empty() {
        log::warn!(
            "iptables-legacy's tables are in use beside nf_tables ({}): the kernel asks both, so a \
             DROP in either is final, and only iptables-nft or nft shows our rules",
            legacy.join(", ")
        );
    }
    route::apply()?;
    // Docker's usual one, if it did not say: it may come up later under that name.
    let usual = Interface::docker0();
    sysctl::refuse_router_advertisements(root, bridge.unwrap_or(&usual))?;
    sysctl::set_route_localnet(root)?;
    Ok(InPlace(wanted))
}

/// What an earlier [`apply`] left, if there is anything: on a host whose administrator has done
/// without `pre-start`, there is not.
///
/// # Errors
/// The kernel could not be asked.
pub fn found(
    root: &Root,
    config: &NetworkConfig,
    bridge: Option<&Interface>,
) -> Result<Option<InPlace>> {
    if !nft::kernel::read()?.has_ours() {
        return Ok(None);
    }
    let (_, wanted) = wanted(root, config, bridge)?;
    Ok(Some(InPlace(wanted)))
}

/// The rules in words, as [`apply`] would write them now: for the variant iptables as
/// `iptables-save` prints them, for nftables as `nft -f` reads them.
///
/// # Errors
/// The kernel could not be asked.
pub fn in_words(root: &Root, config: &NetworkConfig, bridge: Option<&Interface>) -> Result<String> {
    let (_, wanted) = wanted(root, config, bridge)?;
    Ok(wanted.in_words(&nft::kernel::read()?))
}

/// The same without asking the kernel: as on a host whose kernel can do all, and where nothing else
/// is in the firewall.
#[must_use]
pub fn in_words_elsewhere(
    root: &Root,
    config: &NetworkConfig,
    bridge: Option<&Interface>,
) -> String {
    let wanted = Wanted {
        variant: config.firewall.unwrap_or(Firewall::Iptables),
        rules: rules_for(root, config, bridge),
        config: config.clone(),
    };
    wanted.in_words(&Snapshot::default())
}

/// Takes back what [`apply`], or the reference, did, and leaves all else as it is. Goes on after an
/// error; all of them are returned. Asks nobody for the bridge's name: our rules carry a mark.
#[must_use]
pub fn undo(root: &Root, config: &NetworkConfig) -> Vec<Error> {
    let rules = || {
        let changed = nft::kernel::change(|now| Ok(firewall::undo(now, config)))?;
        if changed.before.has_ours() {
            log::info!("firewall rules taken out");
        }
        Ok(())
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
