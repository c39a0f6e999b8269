//! One rule of the packet filter, by what it means and not by how it is encoded. [`Display`]
//! prints it as `iptables-save` does.
//!
//! [`Display`]: fmt::Display

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use crate::types::Interface;

/// Which packets a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    Ip4,
    /// IPv6.
    Ip6,
}

/// A table of iptables'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Accepts and drops.
    Filter,
    /// Rewrites addresses and ports of connections.
    Nat,
    /// Alters packets. What it drops in a chain, no rule of the filter's can accept any more.
    Mangle,
}

/// A built-in chain, named after the hook that it hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chain {
    /// Packets that come in, before routing.
    Prerouting,
    /// Packets for this host.
    Input,
    /// Packets from elsewhere for elsewhere.
    Forward,
    /// Packets of this host.
    Output,
}

/// Where a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The table's family.
    pub family: Family,
    /// The table.
    pub table: Table,
    /// The chain.
    pub chain: Chain,
}

impl Place {
    /// A chain of a table of a family.
    #[must_use]
    pub const fn new(family: Family, table: Table, chain: Chain) -> Place {
        Place {
            family,
            table,
            chain,
        }
    }
}

/// A value that must be met, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match<T> {
    /// `!`: the packet must not have the value.
    pub negated: bool,
    /// The value.
    pub value: T,
}

impl<T> Match<T> {
    /// The packet has this value.
    pub fn is(value: T) -> Self {
        Match {
            negated: false,
            value,
        }
    }

    /// The packet does not have this value.
    pub fn is_not(value: T) -> Self {
        Match {
            negated: true,
            value,
        }
    }
}

/// Addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The address; the bits behind the prefix are zero.
    pub address: IpAddr,
    /// How many bits count, 0 to 32 or 128.
    pub prefix: u8,
}

impl Network {
    /// 127.0.0.0/8.
    pub const LOOPBACK: Network = Network {
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
        prefix: 8,
    };

    /// One address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Network {
        let prefix = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Network { address, prefix }
    }
}

/// States of a connection: a set of the bits of `xt_conntrack`'s `state_mask`
/// (`linux/netfilter/xt_conntrack.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States(pub u16);

impl States {
    /// `RELATED,ESTABLISHED,DNAT`.
    pub const OF_A_REPLY: States = States(0x04 | 0x02 | 0x80);
    /// `DNAT`: it was sent here by a rule, not by who made it.
    pub const SENT_HERE: States = States(0x80);

    /// The bits with their names, in the order in which iptables prints them.
    const NAMES: [(u16, &'static str); 7] = [
        (0x01, "INVALID"),
        (0x08, "NEW"),
        (0x04, "RELATED"),
        (0x02, "ESTABLISHED"),
        (0x100, "UNTRACKED"),
        (0x40, "SNAT"),
        (0x80, "DNAT"),
    ];
}

/// What becomes of a packet that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It is thrown away.
    Drop,
    /// It goes to this address instead.
    Dnat(SocketAddrV4),
    /// It goes to this port of this host instead.
    Redirect(u16),
}

/// A rule. A field that is `None` says nothing about the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where the packet comes from.
    pub source: Option<Match<Network>>,
    /// Where it goes.
    pub destination: Option<Match<Network>>,
    /// The interface that it came in by.
    pub interface: Option<Match<Interface>>,
    /// It is TCP, for this port.
    pub tcp_port: Option<u16>,
    /// Its connection is in one of these states.
    pub states: Option<Match<States>>,
    /// What becomes of it.
    pub verdict: Verdict,
}

impl Rule {
    /// A rule about every packet.
    #[must_use]
    pub fn all(verdict: Verdict) -> Rule {
        Rule {
            source: None,
            destination: None,
            interface: None,
            tcp_port: None,
            states: None,
            verdict,
        }
    }
}

impl Table {
    /// The table's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Table::Filter => "filter",
            Table::Nat => "nat",
            Table::Mangle => "mangle",
        }
    }
}

impl Chain {
    /// The chain's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Chain::Prerouting => "PREROUTING",
            Chain::Input => "INPUT",
            Chain::Forward => "FORWARD",
            Chain::Output => "OUTPUT",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::Ip4 => "ip",
            Family::Ip6 => "ip6",
        })
    }
}

/// As `nft` names it: `ip nat PREROUTING`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, chain) = (self.table.name(), self.chain.name());
        write!(f, "{} {table} {chain}", self.family)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (bit, name) in States::NAMES {
            if self.0 & bit != 0 {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

/// A rule's conditions and its target, each with a space before it, as they follow
/// `-A <chain>` in a line of `iptables-save`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        option(f, "-s", self.source.as_ref())?;
        option(f, "-d", self.destination.as_ref())?;
        option(f, "-i", self.interface.as_ref())?;
        if let Some(port) = self.tcp_port {
            write!(f, " -p tcp -m tcp --dport {port}")?;
        }
        if self.states.is_some() {
            f.write_str(" -m conntrack")?;
            option(f, "--ctstate", self.states.as_ref())?;
        }
        match self.verdict {
            Verdict::Accept => f.write_str(" -j ACCEPT"),
            Verdict::Drop => f.write_str(" -j DROP"),
            Verdict::Dnat(to) => write!(f, " -j DNAT --to-destination {to}"),
            Verdict::Redirect(port) => write!(f, " -j REDIRECT --to-ports {port}"),
        }
    }
}

fn option<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    what: Option<&Match<T>>,
) -> fmt::Result {
    match what {
        None => Ok(()),
        Some(Match { negated, value }) => {
            write!(f, "{} {name} {value}", if *negated { " !" } else { "" })
        }
    }
}
