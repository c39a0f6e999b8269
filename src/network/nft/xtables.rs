//! The structs of xtables modules that `match` and `target` expressions carry, read. Every version
//! of iptables has its own choice of revision. iptables-nft 1.8.7, 1.8.9 and 1.8.11 were looked at
//! (of these, 1.8.7 alone writes `match tcp`, and so do we); the earlier revisions that kernels
//! still take are read as well.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::super::rule::{Match, States, Verdict};
use super::abi;
use super::encode::{CONNTRACK_FLAGS, CONNTRACK_STATE};

/// `match tcp`, revision 0 (`struct xt_tcp`): the destination port, if the match is about exactly
/// one and about nothing else.
pub fn tcp(info: &[u8]) -> Option<u16> {
    // Source ports, destination ports (each lowest and highest, host byte order), TCP option,
    // flag mask, flags, inversion.
    let port = ne16(info, 4)?;
    let whole_range = ne16(info, 0)? == 0 && ne16(info, 2)? == u16::MAX;
    let rest = info.get(8..12)?;
    (whole_range && ne16(info, 6)? == port && rest.iter().all(|b| *b == 0)).then_some(port)
}

/// `match conntrack`, revisions 1 to 3 (`struct xt_conntrack_mtinfo*`): the states, if the match is
/// about nothing else.
pub fn conntrack(revision: u32, info: &[u8]) -> Option<Match<States>> {
    let flags = CONNTRACK_FLAGS;
    let states = match revision {
        1 => u16::from(*info.get(flags + 4)?),
        2 | 3 => ne16(info, flags + 4)?,
        _ => return None,
    };
    // Other fields do not count when their flag is not set.
    if ne16(info, flags)? != CONNTRACK_STATE {
        return None;
    }
    let negated = match ne16(info, flags + 2)? {
        0 => false,
        CONNTRACK_STATE => true,
        _ => return None,
    };
    Some(Match {
        negated,
        value: States(states),
    })
}

/// `target DNAT`: revision 0 (`struct nf_nat_ipv4_multi_range_compat`), 1 (`nf_nat_range`) or 2
/// (`nf_nat_range2`).
pub fn dnat(revision: u32, info: &[u8]) -> Option<Verdict> {
    let range = match revision {
        0 => Range::of_ipv4(info)?,
        1 | 2 => Range {
            flags: ne32(info, 0)?,
            addresses: [address(info, 4)?, address(info, 20)?],
            ports: [be16(info, 36)?, be16(info, 38)?],
        },
        _ => return None,
    };
    let one = range.addresses[0] == range.addresses[1] && range.ports[0] == range.ports[1];
    let to = SocketAddrV4::new(range.addresses[0], range.ports[0]);
    (one && range.flags == abi::NAT_ADDRESS | abi::NAT_PORT).then_some(Verdict::Dnat(to))
}

/// `target REDIRECT`, revision 0 (`struct nf_nat_ipv4_multi_range_compat`).
pub fn redirect(revision: u32, info: &[u8]) -> Option<Verdict> {
    let range = Range::of_ipv4(info)?;
    let one = range.ports[0] == range.ports[1];
    (revision == 0 && one && range.flags == abi::NAT_PORT)
        .then_some(Verdict::Redirect(range.ports[0]))
}

/// Addresses and ports that a NAT target chooses from.
struct Range {
    flags: u32,
    addresses: [Ipv4Addr; 2],
    ports: [u16; 2],
}

impl Range {
    /// `struct nf_nat_ipv4_multi_range_compat`, with the one range that it may have.
    fn of_ipv4(info: &[u8]) -> Option<Range> {
        (ne32(info, 0)? == 1).then_some(())?;
        Some(Range {
            flags: ne32(info, 4)?,
            addresses: [address(info, 8)?, address(info, 12)?],
            ports: [be16(info, 16)?, be16(info, 18)?],
        })
    }
}

fn ne16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn ne32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?))
}
