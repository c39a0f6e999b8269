//! The structs of xtables extensions: the `info` of `match` and `target` expressions.
//!
//! Each is written in one revision and read in every revision that kernels accept: iptables
//! versions differ in the revision that they write. Compared with iptables-nft 1.8.7, 1.8.9 and
//! 1.8.11; of these only 1.8.7 writes `match tcp` for a port, as this program does.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::abi;
use crate::network::netlink::bytes::{be16, ne16, ne32};
use crate::network::rule::{CtStates, Match, Verdict};
use crate::types::array_at;

/// `XT_CONNTRACK_STATE` (`linux/netfilter/xt_conntrack.h`).
const CONNTRACK_STATE: u16 = 1;
/// The offset of `match_flags` in `struct xt_conntrack_mtinfo*`, in bytes; `invert_flags` and
/// `state_mask` follow.
const CONNTRACK_FLAGS: usize = 146;
/// The size of `struct xt_conntrack_mtinfo3`, aligned by `XT_ALIGN`, in bytes.
const CONNTRACK_SIZE: usize = 168;

/// `struct xt_tcp` (`linux/netfilter/xt_tcpudp.h`, revision 0) for one destination port.
pub(super) fn write_tcp(port: u16) -> Vec<u8> {
    // Lowest and highest source port, lowest and highest destination port, host byte order.
    let ports = [0, u16::MAX, port, port].into_iter();
    let mut info: Vec<u8> = ports.flat_map(u16::to_ne_bytes).collect();
    // TCP option, flag mask, flags and inversion are 0; aligned to 16 bytes.
    info.resize(16, 0);
    info
}

/// The destination port of a `struct xt_tcp`, if it matches exactly one and nothing else.
pub(super) fn read_tcp(info: &[u8]) -> Option<u16> {
    let port = ne16(info, 4)?;
    let any_source = ne16(info, 0)? == 0 && ne16(info, 2)? == u16::MAX;
    let rest = info.get(8..12)?;
    (any_source && ne16(info, 6)? == port && rest.iter().all(|b| *b == 0)).then_some(port)
}

/// `struct xt_conntrack_mtinfo3` for connection states.
pub(super) fn write_conntrack(states: &Match<CtStates>) -> Vec<u8> {
    let inverted = if states.negated { CONNTRACK_STATE } else { 0 };
    let mut info = vec![0; CONNTRACK_FLAGS];
    for field in [CONNTRACK_STATE, inverted, states.value.0] {
        info.extend(field.to_ne_bytes());
    }
    info.resize(CONNTRACK_SIZE, 0);
    info
}

/// The states of a `struct xt_conntrack_mtinfo*` (revisions 1 to 3), if it matches nothing else.
pub(super) fn read_conntrack(revision: u32, info: &[u8]) -> Option<Match<CtStates>> {
    let flags = CONNTRACK_FLAGS;
    let states = match revision {
        1 => u16::from(*info.get(flags + 4)?),
        2 | 3 => ne16(info, flags + 4)?,
        _ => return None,
    };
    // The kernel ignores fields whose flag is not set.
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
        value: CtStates(states),
    })
}

/// `struct nf_nat_range2` for one address and port.
pub(super) fn write_dnat(to: SocketAddrV4) -> Vec<u8> {
    // Flags, lowest and highest address (16 bytes each), lowest and highest port, base port;
    // aligned to 48 bytes.
    let mut info = (abi::NAT_ADDRESS | abi::NAT_PORT).to_ne_bytes().to_vec();
    for _ in 0..2 {
        info.extend(to.ip().octets());
        info.extend([0; 12]);
    }
    info.extend(to.port().to_be_bytes());
    info.extend(to.port().to_be_bytes());
    info.resize(48, 0);
    info
}

/// The verdict of `target DNAT`: revision 0 (`struct nf_nat_ipv4_multi_range_compat`), 1
/// (`nf_nat_range`) or 2 (`nf_nat_range2`).
pub(super) fn read_dnat(revision: u32, info: &[u8]) -> Option<Verdict> {
    let range = match revision {
        0 => Range::read_ipv4(info)?,
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

/// `struct nf_nat_ipv4_multi_range_compat` for one port.
pub(super) fn write_redirect(port: u16) -> Vec<u8> {
    // The number of ranges (1), then flags, lowest and highest address, lowest and highest port;
    // aligned to 24 bytes.
    let mut info = 1_u32.to_ne_bytes().to_vec();
    info.extend(abi::NAT_PORT.to_ne_bytes());
    info.extend([0; 8]);
    info.extend(port.to_be_bytes());
    info.extend(port.to_be_bytes());
    info.resize(24, 0);
    info
}

/// The verdict of `target REDIRECT`, revision 0 (`struct nf_nat_ipv4_multi_range_compat`).
pub(super) fn read_redirect(revision: u32, info: &[u8]) -> Option<Verdict> {
    let range = Range::read_ipv4(info)?;
    let one = range.ports[0] == range.ports[1];
    (revision == 0 && one && range.flags == abi::NAT_PORT)
        .then_some(Verdict::Redirect(range.ports[0]))
}

/// The addresses and ports that a NAT target chooses from.
struct Range {
    flags: u32,
    addresses: [Ipv4Addr; 2],
    ports: [u16; 2],
}

impl Range {
    /// `struct nf_nat_ipv4_multi_range_compat`, which has exactly one range.
    fn read_ipv4(info: &[u8]) -> Option<Range> {
        (ne32(info, 0)? == 1).then_some(())?;
        Some(Range {
            flags: ne32(info, 4)?,
            addresses: [address(info, 8)?, address(info, 12)?],
            ports: [be16(info, 16)?, be16(info, 18)?],
        })
    }
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    array_at::<4>(bytes, at).map(Ipv4Addr::from)
}
