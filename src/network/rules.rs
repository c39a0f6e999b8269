//! Which rules the agent needs: a pure function of the configuration, the bridge and whether the
//! kernel has IPv6.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use super::rule::{Chain, Family, Match, Network, Place, Rule, States, Table, Verdict};
use crate::config::NetworkConfig;
use crate::types::Interface;

/// The address at which a task finds its credentials, on port 80.
pub const CREDENTIALS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
/// HTTP's port, at that address.
const CREDENTIALS_PORT: u16 = 80;
/// The port at which the agent serves them, on loopback.
const AGENT_CREDENTIALS_PORT: u16 = 51679;
/// The port of the agent's introspection API, on every address of the host.
const INTROSPECTION_PORT: u16 = 51678;
/// The instance's metadata (IMDS), over IPv4.
const IMDS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
/// The same over IPv6.
const IMDS6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254));

/// Where in its chain a rule goes when it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Before all others (`iptables -I`).
    Head,
    /// After all others (`iptables -A`).
    Tail,
}

/// A rule that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its chain.
    pub place: Place,
    /// Which end of it.
    pub position: Position,
    /// The rule.
    pub rule: Rule,
}

/// All rules that are to be. Those of one chain are in the order that they are to have there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet(Vec<Wanted>);

/// The chains in which rules of ours can be, with the end at which they go.
pub const PLACES: [(Place, Position); 6] = {
    use Chain::{Forward, Input, Output, Prerouting};
    use Family::{Ip4, Ip6};
    use Position::{Head, Tail};
    use Table::{Filter, Mangle, Nat};
    [
        (Place::new(Ip4, Filter, Input), Head),
        (Place::new(Ip4, Nat, Prerouting), Tail),
        (Place::new(Ip4, Nat, Output), Tail),
        (Place::new(Ip4, Mangle, Forward), Head),
        (Place::new(Ip6, Filter, Input), Head),
        (Place::new(Ip6, Mangle, Forward), Head),
    ]
};

/// IPv4's INPUT: the first of [`PLACES`].
pub const INPUT: (Place, Position) = PLACES[0];

impl RuleSet {
    /// The rules for this host. `bridge` is the default bridge network's interface, if Docker has
    /// one; `ipv6`, whether the kernel knows IPv6.
    #[must_use]
    pub fn new(config: &NetworkConfig, bridge: Option<&Interface>, ipv6: bool) -> RuleSet {
        let wanted = PLACES.into_iter().flat_map(|(place, position)| {
            let rules = if place.family == Family::Ip6 && !ipv6 {
                Vec::new()
            } else {
                of_chain(place, config, bridge)
            };
            rules.into_iter().map(move |rule| Wanted {
                place,
                position,
                rule,
            })
        });
        RuleSet(wanted.collect())
    }

    /// The same on a host whose IPv4 INPUT refuses what no rule there accepts, as hardened images
    /// have it: what was sent to the agent's port by our own rule is accepted, and nothing else.
    #[must_use]
    pub fn past_a_closed_input(mut self) -> RuleSet {
        let (place, position) = INPUT;
        let behind = self.0.iter().rposition(|w| w.place == place);
        let accept = Wanted {
            place,
            position,
            rule: credentials_sent_here(),
        };
        self.0.insert(behind.map_or(0, |last| last + 1), accept);
        self
    }

    /// Those of one chain, in order.
    pub fn at(&self, place: Place) -> impl DoubleEndedIterator<Item = &Wanted> {
        self.0.iter().filter(move |w| w.place == place)
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none. (There always is one: the credentials' address.)
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One family's rules as `iptables-save` prints them, in the order in which they end up.
    #[must_use]
    pub fn saved(&self, family: Family) -> Saved<'_> {
        Saved { set: self, family }
    }
}

/// The rules of one chain.
fn of_chain(place: Place, config: &NetworkConfig, bridge: Option<&Interface>) -> Vec<Rule> {
    match (place.table, place.chain) {
        (Table::Nat, Chain::Prerouting) => {
            let agent = SocketAddrV4::new(Ipv4Addr::LOCALHOST, AGENT_CREDENTIALS_PORT);
            vec![credentials(Verdict::Dnat(agent))]
        }
        (Table::Nat, Chain::Output) => {
            vec![credentials(Verdict::Redirect(AGENT_CREDENTIALS_PORT))]
        }
        (Table::Filter, Chain::Input) => {
            let mut rules = Vec::new();
            if !config.allow_offhost_introspection {
                rules.extend(bridge.cloned().map(introspection_from));
                rules.push(introspection_from_elsewhere());
            }
            if place.family == Family::Ip4 && !config.skip_localhost_filter {
                rules.push(forged_localhost());
            }
            rules
        }
        (Table::Mangle, Chain::Forward) if config.block_imds => bridge
            .map(|b| no_imds_for(place.family, b))
            .into_iter()
            .collect(),
        _ => Vec::new(),
    }
}

/// What a task sends to the credentials' address goes to the agent.
fn credentials(verdict: Verdict) -> Rule {
    Rule {
        destination: Some(Match::is(Network::host(CREDENTIALS.into()))),
        tcp_port: Some(CREDENTIALS_PORT),
        ..Rule::all(verdict)
    }
}

/// `route_localnet` lets packets for 127.0.0.0/8 in from outside; those that nobody here asked for
/// are dropped (CVE-2020-8558).
fn forged_localhost() -> Rule {
    Rule {
        source: Some(Match::is_not(Network::LOOPBACK)),
        destination: Some(Match::is(Network::LOOPBACK)),
        states: Some(Match::is_not(States::OF_A_REPLY)),
        ..Rule::all(Verdict::Drop)
    }
}

/// The introspection API is for this host ...
fn introspection_from_elsewhere() -> Rule {
    Rule {
        interface: Some(Match::is_not(Interface::loopback())),
        tcp_port: Some(INTROSPECTION_PORT),
        ..Rule::all(Verdict::Drop)
    }
}

/// ... and for the containers on its bridge.
fn introspection_from(bridge: Interface) -> Rule {
    Rule {
        interface: Some(Match::is(bridge)),
        tcp_port: Some(INTROSPECTION_PORT),
        ..Rule::all(Verdict::Accept)
    }
}

/// What a task sent to the credentials' address and PREROUTING sent on to the agent. A packet that
/// names the port itself is in no such state.
fn credentials_sent_here() -> Rule {
    Rule {
        destination: Some(Match::is(Network::host(Ipv4Addr::LOCALHOST.into()))),
        tcp_port: Some(AGENT_CREDENTIALS_PORT),
        states: Some(Match::is(States::SENT_HERE)),
        ..Rule::all(Verdict::Accept)
    }
}

/// A task on the bridge is not to take the instance's own role from IMDS.
///
/// AWS advises a DROP in DOCKER-USER. Without dockerd's iptables there is no such chain, and what a
/// rule at the head of the filter's FORWARD drops, dockerd accepts in the rules that it puts before
/// it at its next start. Mangle's FORWARD sees the same packets earlier, dockerd leaves it alone,
/// and what is dropped there stays dropped. A host's own proxy for IMDS, to which PREROUTING sends
/// these packets, is no forwarding and still works.
fn no_imds_for(family: Family, bridge: &Interface) -> Rule {
    let imds = match family {
        Family::Ip4 => IMDS,
        Family::Ip6 => IMDS6,
    };
    Rule {
        destination: Some(Match::is(Network::host(imds))),
        interface: Some(Match::is(bridge.clone())),
        ..Rule::all(Verdict::Drop)
    }
}

/// The bridge that a rule opens the introspection API to, if it is that rule.
#[must_use]
pub fn bridge_of(rule: &Rule) -> Option<&Interface> {
    let bridge = &rule.interface.as_ref()?.value;
    (*rule == introspection_from(bridge.clone())).then_some(bridge)
}

/// See [`RuleSet::saved`]. Without lines for the chains: those would set policies, and we set none.
#[derive(Debug)]
pub struct Saved<'a> {
    set: &'a RuleSet,
    family: Family,
}

impl fmt::Display for Saved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in [Table::Mangle, Table::Filter, Table::Nat] {
            let mut rules = self
                .set
                .0
                .iter()
                .filter(|w| w.place.family == self.family && w.place.table == table)
                .peekable();
            if rules.peek().is_none() {
                continue;
            }
            writeln!(f, "*{}", table.name())?;
            for wanted in rules {
                writeln!(f, "-A {}{}", wanted.place.chain.name(), wanted.rule)?;
            }
            writeln!(f, "COMMIT")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: NetworkConfig = NetworkConfig::DEFAULT;

    fn saved(config: &NetworkConfig, bridge: bool, family: Family) -> String {
        let docker0 = Interface::docker0();
        RuleSet::new(config, bridge.then_some(&docker0), true)
            .saved(family)
            .to_string()
    }

    #[test]
    fn the_rules_of_a_usual_host() {
        assert_eq!(
            saved(&DEFAULTS, true, Family::Ip4),
            "*filter\n\
             -A INPUT -i docker0 -p tcp -m tcp --dport 51678 -j ACCEPT\n\
             -A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP\n\
             -A INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n\
             COMMIT\n\
             *nat\n\
             -A PREROUTING -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 127.0.0.1:51679\n\
             -A OUTPUT -d 169.254.170.2/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 51679\n\
             COMMIT\n"
        );
        assert_eq!(
            saved(&DEFAULTS, true, Family::Ip6),
            "*filter\n\
             -A INPUT -i docker0 -p tcp -m tcp --dport 51678 -j ACCEPT\n\
             -A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP\n\
             COMMIT\n"
        );
    }

    #[test]
    fn each_switch_and_a_missing_bridge_take_out_their_own_rule_only() {
        let lines = |config: &NetworkConfig, bridge, family| {
            let text = saved(config, bridge, family);
            text.lines().filter(|l| l.starts_with("-A")).count()
        };
        assert_eq!(lines(&DEFAULTS, false, Family::Ip4), 4);
        assert_eq!(lines(&DEFAULTS, false, Family::Ip6), 1);
        let skip = NetworkConfig {
            skip_localhost_filter: true,
            ..DEFAULTS
        };
        let text = saved(&skip, true, Family::Ip4);
        assert!(!text.contains("conntrack") && text.contains("51678"));
        let allow = NetworkConfig {
            allow_offhost_introspection: true,
            ..DEFAULTS
        };
        let text = saved(&allow, true, Family::Ip4);
        assert!(text.contains("conntrack") && !text.contains("51678"));
        assert_eq!(saved(&allow, true, Family::Ip6), "");
        let no_ipv6 = RuleSet::new(&DEFAULTS, Some(&Interface::docker0()), false);
        assert_eq!(no_ipv6.saved(Family::Ip6).to_string(), "");
    }

    #[test]
    fn only_the_bridges_own_rule_names_a_bridge() {
        let bridge = Interface::new("br-ecs").unwrap();
        let rule = introspection_from(bridge.clone());
        assert_eq!(bridge_of(&rule), Some(&bridge));
        assert_eq!(bridge_of(&introspection_from_elsewhere()), None);
        let dropped = Rule {
            verdict: Verdict::Drop,
            ..rule
        };
        assert_eq!(bridge_of(&dropped), None);
    }
}
