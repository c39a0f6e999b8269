//! A rule as `nf_tables` expressions, in the one encoding that every iptables-nft reads: an
//! expression that it does not know would make it call the whole table incompatible, or print a
//! rule without it, and dockerd's own calls of iptables would fail.
//!
//! All is just as iptables-nft 1.8.9 writes it, but for the port. 1.8.9 compares two bytes of the
//! TCP header; 1.8.7 and before pass over that comparison. They would print our rules without
//! `--dport`, their `-D` would not find them, and a ruleset that they save and restore would drop
//! all TCP. So the port is what 1.8.7 writes and all later versions read: xtables' `match tcp`. Our
//! rules are then expression for expression those of 1.8.7; 1.8.7, 1.8.9 and 1.8.11 print, check
//! and delete each of them by the reference's own words.

use super::super::netlink::attr::Writer;
use super::super::rule::{Match, Network, Rule, States, Verdict};
use super::abi;
use std::net::IpAddr;

/// `XT_CONNTRACK_STATE` (`linux/netfilter/xt_conntrack.h`).
pub(super) const CONNTRACK_STATE: u16 = 1;
/// `struct xt_conntrack_mtinfo3`: its size, aligned as `XT_ALIGN` does, in bytes.
const CONNTRACK_SIZE: usize = 168;
/// Where `match_flags` stands in it; `invert_flags` and `state_mask` follow, 16 bits each.
pub(super) const CONNTRACK_FLAGS: usize = 146;

/// The value of `NFTA_RULE_EXPRESSIONS`, and the protocol for `NFTA_RULE_COMPAT`.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The expressions, as a list of attributes.
    pub expressions: Vec<u8>,
    /// The IP protocol that the rule is about, 0 for any: `nft_compat` shows it to the modules.
    pub protocol: u8,
}

/// Encodes a rule.
#[must_use]
pub fn encode(rule: &Rule) -> Encoded {
    let mut list = Writer::new();
    if let Some(Match { negated, value }) = &rule.interface {
        meta(&mut list, abi::META_IIFNAME);
        // With its NUL: without it, every longer name that begins so would match too.
        let mut name = value.as_str().as_bytes().to_vec();
        name.push(0);
        compare(&mut list, *negated, &name);
    }
    let protocol = if rule.tcp_port.is_some() {
        meta(&mut list, abi::META_L4PROTO);
        compare(&mut list, false, &[abi::IPPROTO_TCP]);
        abi::IPPROTO_TCP
    } else {
        0
    };
    addresses(&mut list, rule);
    if let Some(port) = rule.tcp_port {
        tcp_destination(&mut list, port);
    }
    if let Some(states) = &rule.states {
        conntrack(&mut list, states);
    }
    expression(&mut list, "counter", |data| {
        data.be64(abi::COUNTER_BYTES, 0)
            .be64(abi::COUNTER_PACKETS, 0);
    });
    verdict(&mut list, rule.verdict);
    Encoded {
        expressions: list.finish(),
        protocol,
    }
}

pub(super) fn expression(list: &mut Writer, name: &str, fill: impl FnOnce(&mut Writer)) {
    list.nest(abi::LIST_ELEMENT, |element| {
        element
            .text(abi::EXPRESSION_NAME, name)
            .nest(abi::EXPRESSION_DATA, fill);
    });
}

pub(super) fn meta(list: &mut Writer, key: u32) {
    expression(list, "meta", |data| {
        data.be32(abi::META_KEY, key)
            .be32(abi::META_REGISTER, abi::REGISTER_1);
    });
}

pub(super) fn compare(list: &mut Writer, negated: bool, value: &[u8]) {
    let operation = if negated {
        abi::CMP_NOT_EQUAL
    } else {
        abi::CMP_EQUAL
    };
    expression(list, "cmp", |data| {
        data.be32(abi::CMP_REGISTER, abi::REGISTER_1)
            .be32(abi::CMP_OPERATION, operation)
            .nest(abi::CMP_DATA, |data| {
                data.bytes(abi::DATA_VALUE, value);
            });
    });
}

pub(super) fn payload(list: &mut Writer, base: u32, offset: u32, length: u32) {
    expression(list, "payload", |data| {
        data.be32(abi::PAYLOAD_REGISTER, abi::REGISTER_1)
            .be32(abi::PAYLOAD_BASE, base)
            .be32(abi::PAYLOAD_OFFSET, offset)
            .be32(abi::PAYLOAD_LENGTH, length);
    });
}

/// Keeps the bits of `mask` in the first register. At most 16 bytes.
pub(super) fn bitwise(list: &mut Writer, mask: &[u8]) {
    /// `NFTA_BITWISE_LEN`.
    const LENGTH: u16 = 3;
    expression(list, "bitwise", |data| {
        data.be32(abi::BITWISE_SOURCE, abi::REGISTER_1)
            .be32(abi::BITWISE_DESTINATION, abi::REGISTER_1)
            .be32(LENGTH, u32::try_from(mask.len()).unwrap_or_default())
            .nest(abi::BITWISE_MASK, |data| {
                data.bytes(abi::DATA_VALUE, mask);
            })
            .nest(abi::BITWISE_XOR, |data| {
                data.bytes(abi::DATA_VALUE, &vec![0; mask.len()]);
            });
    });
}

/// Where the packet comes from and where it goes.
pub(super) fn addresses(list: &mut Writer, rule: &Rule) {
    if let Some(source) = &rule.source {
        address(list, [abi::IP4_SOURCE, abi::IP6_SOURCE], source);
    }
    if let Some(destination) = &rule.destination {
        address(
            list,
            [abi::IP4_DESTINATION, abi::IP6_DESTINATION],
            destination,
        );
    }
}

/// An address, at these offsets in a header of IPv4 and of IPv6. A prefix of whole bytes compares
/// only those bytes.
fn address(list: &mut Writer, [ip4, ip6]: [u32; 2], network: &Match<Network>) {
    let Match { negated, value } = network;
    let (offset, octets) = match value.address {
        IpAddr::V4(address) => (ip4, address.octets().to_vec()),
        IpAddr::V6(address) => (ip6, address.octets().to_vec()),
    };
    let bytes = usize::from(value.prefix / 8).min(octets.len());
    if value.prefix.is_multiple_of(8) && bytes > 0 {
        payload(list, abi::BASE_NETWORK, offset, (value.prefix / 8).into());
        compare(list, *negated, &octets[..bytes]);
    } else {
        payload(
            list,
            abi::BASE_NETWORK,
            offset,
            if octets.len() == 4 { 4 } else { 16 },
        );
        bitwise(list, &mask(value.prefix, octets.len()));
        compare(list, *negated, &octets);
    }
}

/// As many bytes, of which the first `prefix` bits are set.
fn mask(prefix: u8, bytes: usize) -> Vec<u8> {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into()));
    mask.unwrap_or(0).to_be_bytes()[..bytes.min(16)].to_vec()
}

/// A `match` or `target` of xtables, through `nft_compat`. `info` is the module's own struct.
fn xtables(list: &mut Writer, kind: &str, name: &str, revision: u32, info: &[u8]) {
    expression(list, kind, |data| {
        data.text(abi::XT_NAME, name)
            .be32(abi::XT_REVISION, revision)
            .bytes(abi::XT_INFO, info);
    });
}

/// `match tcp`, revision 0 (`struct xt_tcp`, `linux/netfilter/xt_tcpudp.h`), about one destination
/// port and nothing else.
fn tcp_destination(list: &mut Writer, port: u16) {
    // Source ports and destination ports, each lowest and highest, in the host's byte order.
    let mut info: Vec<u8> = [0, u16::MAX, port, port]
        .into_iter()
        .flat_map(u16::to_ne_bytes)
        .collect();
    // No TCP option, no flags, nothing inverted; aligned to 16 bytes.
    info.resize(16, 0);
    xtables(list, "match", "tcp", 0, &info);
}

fn conntrack(list: &mut Writer, states: &Match<States>) {
    let inverted = if states.negated { CONNTRACK_STATE } else { 0 };
    let mut info = vec![0; CONNTRACK_FLAGS];
    for field in [CONNTRACK_STATE, inverted, states.value.0] {
        info.extend(field.to_ne_bytes());
    }
    info.resize(CONNTRACK_SIZE, 0);
    xtables(list, "match", "conntrack", 3, &info);
}

fn verdict(list: &mut Writer, verdict: Verdict) {
    match verdict {
        Verdict::Accept => immediate(list, abi::ACCEPT),
        Verdict::Drop => immediate(list, abi::DROP),
        Verdict::Dnat(to) => {
            // `struct nf_nat_range2`: flags, lowest and highest address (16 bytes each), lowest
            // and highest port, base port; aligned to 48 bytes.
            let mut info = (abi::NAT_ADDRESS | abi::NAT_PORT).to_ne_bytes().to_vec();
            for _ in 0..2 {
                info.extend(to.ip().octets());
                info.extend([0; 12]);
            }
            info.extend(to.port().to_be_bytes());
            info.extend(to.port().to_be_bytes());
            info.resize(48, 0);
            xtables(list, "target", "DNAT", 2, &info);
        }
        Verdict::Redirect(port) => {
            // `struct nf_nat_ipv4_multi_range_compat`: how many, then one range of flags, lowest
            // and highest address, lowest and highest port; aligned to 24 bytes.
            let mut info = 1_u32.to_ne_bytes().to_vec();
            info.extend(abi::NAT_PORT.to_ne_bytes());
            info.extend([0; 8]);
            info.extend(port.to_be_bytes());
            info.extend(port.to_be_bytes());
            info.resize(24, 0);
            xtables(list, "target", "REDIRECT", 0, &info);
        }
    }
}

pub(super) fn immediate(list: &mut Writer, code: u32) {
    expression(list, "immediate", |data| {
        data.be32(abi::IMMEDIATE_REGISTER, abi::REGISTER_VERDICT)
            .nest(abi::IMMEDIATE_DATA, |data| {
                data.nest(abi::DATA_VERDICT, |verdict| {
                    verdict.be32(abi::VERDICT_CODE, code);
                });
            });
    });
}
