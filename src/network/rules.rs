//! The rules that the agent needs, as a table. Pure: from the configuration and facts about the
//! host to rules.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use super::chain::{Chain, ChainId, Family, Table};
use super::rule::{Cidr, CtStates, Match, Rule, Verdict};
use crate::config::NetworkConfig;
use crate::types::Interface;

/// The address at which tasks request their credentials (port 80).
pub(crate) const CREDENTIALS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
const CREDENTIALS_PORT: u16 = 80;
/// The agent's port for credentials, on loopback.
const AGENT_CREDENTIALS_PORT: u16 = 51679;
/// The port of the agent's introspection API, on every address of the host.
const INTROSPECTION_PORT: u16 = 51678;
/// The instance metadata service (IMDS) over IPv4.
const IMDS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
/// IMDS over IPv6.
const IMDS6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254));

pub(crate) const INPUT: ChainId = ChainId::new(Family::Ip4, Table::Filter, Chain::Input);
const PREROUTING: ChainId = ChainId::new(Family::Ip4, Table::Nat, Chain::Prerouting);
const OUTPUT: ChainId = ChainId::new(Family::Ip4, Table::Nat, Chain::Output);
const FORWARD: ChainId = ChainId::new(Family::Ip4, Table::Mangle, Chain::Forward);
const INPUT6: ChainId = ChainId::new(Family::Ip6, Table::Filter, Chain::Input);
const FORWARD6: ChainId = ChainId::new(Family::Ip6, Table::Mangle, Chain::Forward);

/// Where in its chain a rule is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before all other rules (`iptables -I`).
    Head,
    /// After all other rules (`iptables -A`).
    Tail,
}

/// The chains that can have rules, and where in them.
pub(crate) const CHAINS: [(ChainId, Position); 6] = [
    (INPUT, Position::Head),
    (PREROUTING, Position::Tail),
    (OUTPUT, Position::Tail),
    (FORWARD, Position::Head),
    (INPUT6, Position::Head),
    (FORWARD6, Position::Head),
];

/// Makes a rule; `None` if the host does not need it.
type MakeRule = fn(&RuleInputs) -> Option<Rule>;

/// The rules, in their order within each chain.
const RULES: [(ChainId, MakeRule); 10] = [
    (INPUT, introspection_from_bridge),
    (INPUT, introspection_from_elsewhere),
    (INPUT, forged_localhost),
    (INPUT, input_accept),
    (PREROUTING, |_| Some(credentials_of_tasks())),
    (OUTPUT, |_| Some(credentials_of_host())),
    (FORWARD, |inputs| imds_from_bridge(inputs, IMDS)),
    (INPUT6, introspection_from_bridge),
    (INPUT6, introspection_from_elsewhere),
    (FORWARD6, |inputs| imds_from_bridge(inputs, IMDS6)),
];

/// What determines the rules of a host.
#[derive(Debug, Clone)]
pub struct RuleInputs {
    /// The configuration.
    pub config: NetworkConfig,
    /// The interface of Docker's default bridge network, if it has one.
    pub bridge: Option<Interface>,
    /// Whether the kernel supports IPv6.
    pub ipv6: bool,
    /// Whether INPUT drops or rejects what no rule accepts, as on hardened images.
    pub closed_input: bool,
}

/// A rule and where it is inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlacedRule {
    pub chain: ChainId,
    pub position: Position,
    pub rule: Rule,
}

/// The rules of a host. Those of one chain are in their final order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleSet(Vec<PlacedRule>);

impl RuleSet {
    /// The rules for `inputs`.
    pub fn new(inputs: &RuleInputs) -> RuleSet {
        let chains = CHAINS
            .iter()
            .filter(|(chain, _)| inputs.ipv6 || chain.family == Family::Ip4);
        let rules = chains.flat_map(|&(chain, position)| {
            let rules = RULES.iter().filter(move |(of, _)| *of == chain);
            rules.filter_map(move |(_, rule)| {
                rule(inputs).map(|rule| PlacedRule {
                    chain,
                    position,
                    rule,
                })
            })
        });
        RuleSet(rules.collect())
    }

    /// The rules of one chain, in order.
    pub fn of_chain(&self, chain: ChainId) -> impl DoubleEndedIterator<Item = &PlacedRule> {
        self.0.iter().filter(move |placed| placed.chain == chain)
    }

    /// The number of rules.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The rules of one family in the format of `iptables-save`, without chain lines: those would
    /// set policies.
    pub fn saved(&self, family: Family) -> Saved<'_> {
        Saved { set: self, family }
    }
}

/// Redirects requests for credentials from tasks on a bridge to the agent.
fn credentials_of_tasks() -> Rule {
    let agent = SocketAddrV4::new(Ipv4Addr::LOCALHOST, AGENT_CREDENTIALS_PORT);
    credentials(Verdict::Dnat(agent))
}

/// Redirects requests for credentials from the host's network namespace to the agent.
fn credentials_of_host() -> Rule {
    credentials(Verdict::Redirect(AGENT_CREDENTIALS_PORT))
}

fn credentials(verdict: Verdict) -> Rule {
    Rule {
        destination: Some(Match::is(Cidr::host(CREDENTIALS.into()))),
        tcp_port: Some(CREDENTIALS_PORT),
        ..Rule::unconditional(verdict)
    }
}

/// With `route_localnet`, hosts on the same link can send packets to 127.0.0.0/8. Drops those that
/// do not belong to a tracked connection (CVE-2020-8558).
fn forged_localhost(inputs: &RuleInputs) -> Option<Rule> {
    (!inputs.config.skip_localhost_filter).then(|| Rule {
        source: Some(Match::is_not(Cidr::LOOPBACK)),
        destination: Some(Match::is(Cidr::LOOPBACK)),
        states: Some(Match::is_not(CtStates::RELATED_ESTABLISHED_DNAT)),
        ..Rule::unconditional(Verdict::Drop)
    })
}

/// Accepts requests of containers on the bridge to the introspection API.
fn introspection_from_bridge(inputs: &RuleInputs) -> Option<Rule> {
    let bridge = inputs.bridge.as_ref()?;
    (!inputs.config.allow_offhost_introspection).then(|| accept_introspection(bridge))
}

fn accept_introspection(bridge: &Interface) -> Rule {
    Rule {
        interface: Some(Match::is(bridge.clone())),
        tcp_port: Some(INTROSPECTION_PORT),
        ..Rule::unconditional(Verdict::Accept)
    }
}

/// Drops requests of other hosts to the introspection API.
fn introspection_from_elsewhere(inputs: &RuleInputs) -> Option<Rule> {
    (!inputs.config.allow_offhost_introspection).then(|| Rule {
        interface: Some(Match::is_not(Interface::loopback())),
        tcp_port: Some(INTROSPECTION_PORT),
        ..Rule::unconditional(Verdict::Drop)
    })
}

/// Where INPUT drops or rejects by default, accepts requests that [`credentials_of_tasks`]
/// redirected. A packet that was sent to the agent's port itself does not have the state DNAT.
fn input_accept(inputs: &RuleInputs) -> Option<Rule> {
    inputs.closed_input.then(|| Rule {
        destination: Some(Match::is(Cidr::host(Ipv4Addr::LOCALHOST.into()))),
        tcp_port: Some(AGENT_CREDENTIALS_PORT),
        states: Some(Match::is(CtStates::DNAT)),
        ..Rule::unconditional(Verdict::Accept)
    })
}

/// Drops requests of tasks on the bridge to IMDS, which would give them the instance's role.
///
/// AWS recommends a DROP in DOCKER-USER. That chain does not exist without dockerd's iptables
/// support, and dockerd inserts its own rules before a rule in the filter table's FORWARD when it
/// starts. mangle FORWARD sees the same packets earlier, dockerd does not use it, and a drop there
/// is final. A local IMDS proxy to which PREROUTING redirects is not affected: nothing is
/// forwarded.
fn imds_from_bridge(inputs: &RuleInputs, imds: IpAddr) -> Option<Rule> {
    let bridge = inputs.bridge.as_ref()?;
    inputs.config.block_imds.then(|| Rule {
        destination: Some(Match::is(Cidr::host(imds))),
        interface: Some(Match::is(bridge.clone())),
        ..Rule::unconditional(Verdict::Drop)
    })
}

/// The bridge of a rule that [`introspection_from_bridge`] made; `None` for any other rule.
pub(crate) fn bridge_of(rule: &Rule) -> Option<&Interface> {
    let bridge = &rule.interface.as_ref()?.value;
    (*rule == accept_introspection(bridge)).then_some(bridge)
}

/// See [`RuleSet::saved`].
pub(crate) struct Saved<'a> {
    set: &'a RuleSet,
    family: Family,
}

impl fmt::Display for Saved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in [Table::Mangle, Table::Filter, Table::Nat] {
            let of_table =
                |p: &&PlacedRule| (p.chain.family, p.chain.table) == (self.family, table);
            let mut rules = self.set.0.iter().filter(of_table).peekable();
            if rules.peek().is_none() {
                continue;
            }
            writeln!(f, "*{}", table.name())?;
            for placed in rules {
                writeln!(f, "-A {}{}", placed.chain.name(), placed.rule)?;
            }
            writeln!(f, "COMMIT")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
