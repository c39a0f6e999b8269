//! A rule of the packet filter, independent of its encoding. Its [`fmt::Display`] is the format of
//! `iptables-save`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use crate::types::Interface;

/// A condition on one property of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match<T> {
    /// The packet must not have the value (`!`).
    pub negated: bool,
    /// The value.
    pub value: T,
}

impl<T> Match<T> {
    /// The packet must have this value.
    pub(crate) fn is(value: T) -> Self {
        Match {
            negated: false,
            value,
        }
    }

    /// The packet must not have this value.
    pub(crate) fn is_not(value: T) -> Self {
        Match {
            negated: true,
            value,
        }
    }
}

/// A range of addresses in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The address; the bits after the prefix are 0.
    pub address: IpAddr,
    /// The length of the prefix in bits: 0 to 32 or 0 to 128.
    pub prefix: u8,
}

impl Cidr {
    /// 127.0.0.0/8.
    pub(crate) const LOOPBACK: Cidr = Cidr {
        address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
        prefix: 8,
    };

    /// A single address.
    pub(crate) const fn host(address: IpAddr) -> Cidr {
        let prefix = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Cidr { address, prefix }
    }
}

/// A set of connection states: the bits of `state_mask` of `xt_conntrack`
/// (`linux/netfilter/xt_conntrack.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CtStates(pub u16);

impl CtStates {
    /// `RELATED,ESTABLISHED,DNAT`.
    pub(crate) const RELATED_ESTABLISHED_DNAT: CtStates = CtStates(0x04 | 0x02 | 0x80);
    /// `DNAT`: a rule changed the destination.
    pub(crate) const DNAT: CtStates = CtStates(0x80);

    /// The bits and their names, in the order in which iptables prints them.
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

/// What happens to a packet that matches a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Accept it.
    Accept,
    /// Drop it.
    Drop,
    /// Change its destination to this address and port.
    Dnat(SocketAddrV4),
    /// Change its destination to this port of this host.
    Redirect(u16),
}

/// A rule. A field that is `None` matches every packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The source address.
    pub source: Option<Match<Cidr>>,
    /// The destination address.
    pub destination: Option<Match<Cidr>>,
    /// The incoming interface.
    pub interface: Option<Match<Interface>>,
    /// TCP with this destination port.
    pub tcp_port: Option<u16>,
    /// The state of its connection is one of these.
    pub states: Option<Match<CtStates>>,
    /// What happens to the packet.
    pub verdict: Verdict,
}

impl Rule {
    /// A rule that matches every packet.
    pub(crate) fn unconditional(verdict: Verdict) -> Rule {
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

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for CtStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (bit, name) in CtStates::NAMES {
            if self.0 & bit != 0 {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

/// Conditions and target, each after a space: what follows `-A <chain>` in a line of
/// `iptables-save`.
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
    condition: Option<&Match<T>>,
) -> fmt::Result {
    match condition {
        None => Ok(()),
        Some(Match { negated, value }) => {
            write!(f, "{} {name} {value}", if *negated { " !" } else { "" })
        }
    }
}
