//! Tables and chains: names, hooks and priorities, as iptables-nft and nftables have them.

use std::fmt;

/// The packets that a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ip4,
    /// IPv6.
    Ip6,
}

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// iptables': accepts and drops packets.
    Filter,
    /// iptables': rewrites the addresses and ports of connections.
    Nat,
    /// iptables': alters packets. The filter table cannot accept what a chain here drops.
    Mangle,
    /// The dedicated table, `ecs-init`, for kernels without `nft_compat` and hosts without
    /// iptables.
    Dedicated,
}

/// A base chain, by its hook; the value is the number of the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Incoming packets before routing.
    Prerouting = 0,
    /// Packets to this host.
    Input = 1,
    /// Packets that this host forwards.
    Forward = 2,
    /// Packets from this host.
    Output = 3,
}

/// A chain by family, table and hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainId {
    /// The table's family.
    pub family: Family,
    /// The table.
    pub table: Table,
    /// The chain.
    pub chain: Chain,
}

/// Where a base chain is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hook {
    /// The hook's number (`enum nf_inet_hooks`, `linux/netfilter.h`).
    pub number: u32,
    /// The order among the base chains of the hook; the lowest is first.
    pub priority: i32,
}

impl Family {
    /// All families.
    pub(crate) const ALL: [Family; 2] = [Family::Ip4, Family::Ip6];
}

impl Table {
    /// The table's name, in either family.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Table::Filter => "filter",
            Table::Nat => "nat",
            Table::Mangle => "mangle",
            Table::Dedicated => "ecs-init",
        }
    }
}

impl Chain {
    /// The hook's number.
    pub(crate) fn hook_number(self) -> u32 {
        self as u32
    }
}

impl ChainId {
    /// A chain.
    pub(crate) const fn new(family: Family, table: Table, chain: Chain) -> ChainId {
        ChainId {
            family,
            table,
            chain,
        }
    }

    /// The chain of the dedicated table that has the rules of this chain of iptables. It has the
    /// same hook and type.
    pub(crate) fn dedicated(self) -> ChainId {
        ChainId {
            table: Table::Dedicated,
            ..self
        }
    }

    /// The chain's name: iptables' in capitals, otherwise the hook's name.
    pub(crate) fn name(self) -> &'static str {
        let iptables = self.table != Table::Dedicated;
        match self.chain {
            Chain::Prerouting if iptables => "PREROUTING",
            Chain::Prerouting => "prerouting",
            Chain::Input if iptables => "INPUT",
            Chain::Input => "input",
            Chain::Forward if iptables => "FORWARD",
            Chain::Forward => "forward",
            Chain::Output if iptables => "OUTPUT",
            Chain::Output => "output",
        }
    }

    /// Hook and priority (`enum nf_ip_hook_priorities`, `linux/netfilter_ipv4.h`).
    ///
    /// A packet traverses the base chains of all tables in the order of their priorities. The first
    /// NAT chain with a matching rule decides, so those of the dedicated table precede dockerd's.
    pub(crate) fn hook(self) -> Hook {
        const MANGLE: i32 = -150;
        const NAT_DST: i32 = -100;
        const FILTER: i32 = 0;
        Hook {
            number: self.chain.hook_number(),
            priority: match (self.table, self.chain) {
                (Table::Filter, _) | (Table::Dedicated, Chain::Input) => FILTER,
                (Table::Mangle, _) | (Table::Dedicated, Chain::Forward) => MANGLE,
                (Table::Nat, _) => NAT_DST,
                (Table::Dedicated, Chain::Prerouting | Chain::Output) => NAT_DST - 10,
            },
        }
    }

    /// The chain's type. (mangle OUTPUT has the type `route`; no rule here is in it.)
    pub(crate) fn chain_type(self) -> &'static str {
        match (self.table, self.chain) {
            (Table::Nat, _) | (Table::Dedicated, Chain::Prerouting | Chain::Output) => "nat",
            _ => "filter",
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

/// As in an `nft` command: `ip nat PREROUTING`.
impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.family, self.table.name(), self.name())
    }
}
