//! Constants of the kernel's `nf_tables` interface, from `linux/netfilter/nf_tables.h`,
//! `nf_tables_compat.h`, `nfnetlink.h`, `nf_nat.h` and `linux/netfilter.h`. Names are without their
//! prefix: `TABLE_NAME` is `NFTA_TABLE_NAME`.

use crate::network::chain::Family;
use crate::network::netlink::attr::Attributes;

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;

/// Message types: `NFT_MSG_*` with the subsystem, and `NFNL_MSG_BATCH_*`.
pub mod message {
    use super::SUBSYSTEM;

    pub const BATCH_BEGIN: u16 = 0x10;
    pub const BATCH_END: u16 = 0x11;
    pub const NEW_TABLE: u16 = SUBSYSTEM << 8;
    pub const GET_TABLE: u16 = SUBSYSTEM << 8 | 1;
    pub const DELETE_TABLE: u16 = SUBSYSTEM << 8 | 2;
    pub const NEW_CHAIN: u16 = SUBSYSTEM << 8 | 3;
    pub const GET_CHAIN: u16 = SUBSYSTEM << 8 | 4;
    pub const DELETE_CHAIN: u16 = SUBSYSTEM << 8 | 5;
    pub const NEW_RULE: u16 = SUBSYSTEM << 8 | 6;
    pub const GET_RULE: u16 = SUBSYSTEM << 8 | 7;
    pub const DELETE_RULE: u16 = SUBSYSTEM << 8 | 8;
    pub const NEW_GENERATION: u16 = SUBSYSTEM << 8 | 15;
    pub const GET_GENERATION: u16 = SUBSYSTEM << 8 | 16;
    /// `NFNL_MSG_COMPAT_GET` of `NFNL_SUBSYS_NFT_COMPAT`.
    pub const GET_COMPAT: u16 = 11 << 8;
}

/// `NFPROTO_UNSPEC`: all families, in a dump.
pub const FAMILY_ANY: u8 = 0;
/// `NFPROTO_INET`: IPv4 and IPv6 in one table.
pub const FAMILY_INET: u8 = 1;
pub const FAMILY_IP4: u8 = 2;
pub const FAMILY_IP6: u8 = 10;

/// `NFNLGRP_NFTABLES`: the multicast group with a notification for each change.
pub const GROUP: u32 = 7;

pub const COMPAT_NAME: u16 = 1;
pub const COMPAT_REVISION: u16 = 2;
pub const COMPAT_TYPE: u16 = 3;

pub const BATCH_GENERATION: u16 = 1;
pub const GENERATION_ID: u16 = 1;

pub const TABLE_NAME: u16 = 1;
pub const TABLE_USE: u16 = 3;
pub const TABLE_USERDATA: u16 = 6;

pub const CHAIN_TABLE: u16 = 1;
pub const CHAIN_NAME: u16 = 3;
pub const CHAIN_HOOK: u16 = 4;
pub const CHAIN_POLICY: u16 = 5;
pub const CHAIN_USE: u16 = 6;
pub const CHAIN_TYPE: u16 = 7;
pub const CHAIN_USERDATA: u16 = 12;
pub const HOOK_NUMBER: u16 = 1;
pub const HOOK_PRIORITY: u16 = 2;

pub const RULE_TABLE: u16 = 1;
pub const RULE_CHAIN: u16 = 2;
pub const RULE_HANDLE: u16 = 3;
pub const RULE_EXPRESSIONS: u16 = 4;
pub const RULE_COMPAT: u16 = 5;
pub const RULE_USERDATA: u16 = 7;
pub const COMPAT_PROTOCOL: u16 = 1;
pub const COMPAT_FLAGS: u16 = 2;

pub const LIST_ELEMENT: u16 = 1;
pub const EXPRESSION_NAME: u16 = 1;
pub const EXPRESSION_DATA: u16 = 2;
pub const DATA_VALUE: u16 = 1;
pub const DATA_VERDICT: u16 = 2;
pub const VERDICT_CODE: u16 = 1;

pub const META_REGISTER: u16 = 1;
pub const META_KEY: u16 = 2;
pub const META_IIFNAME: u32 = 6;
pub const META_L4PROTO: u32 = 16;

pub const CMP_REGISTER: u16 = 1;
pub const CMP_OPERATION: u16 = 2;
pub const CMP_DATA: u16 = 3;
pub const CMP_EQUAL: u32 = 0;
pub const CMP_NOT_EQUAL: u32 = 1;

pub const PAYLOAD_REGISTER: u16 = 1;
pub const PAYLOAD_BASE: u16 = 2;
pub const PAYLOAD_OFFSET: u16 = 3;
pub const PAYLOAD_LENGTH: u16 = 4;
pub const BASE_NETWORK: u32 = 1;
pub const BASE_TRANSPORT: u32 = 2;

pub const BITWISE_SOURCE: u16 = 1;
pub const BITWISE_DESTINATION: u16 = 2;
pub const BITWISE_LENGTH: u16 = 3;
pub const BITWISE_MASK: u16 = 4;
pub const BITWISE_XOR: u16 = 5;
pub const BITWISE_OPERATION: u16 = 6;

pub const COUNTER_BYTES: u16 = 1;
pub const COUNTER_PACKETS: u16 = 2;

pub const IMMEDIATE_REGISTER: u16 = 1;
pub const IMMEDIATE_DATA: u16 = 2;

pub const CT_REGISTER: u16 = 1;
pub const CT_KEY: u16 = 2;
pub const CT_STATE: u32 = 0;
pub const CT_STATUS: u32 = 2;

pub const NAT_TYPE: u16 = 1;
pub const NAT_FAMILY: u16 = 2;
pub const NAT_REGISTER_ADDRESS: u16 = 3;
pub const NAT_REGISTER_PORT: u16 = 5;
pub const NAT_FLAGS: u16 = 7;
pub const NAT_TYPE_DNAT: u32 = 1;

pub const REDIRECT_REGISTER_PORT: u16 = 1;
pub const REDIRECT_FLAGS: u16 = 3;

/// `NFTA_MATCH_*` and `NFTA_TARGET_*`, which are equal.
pub const XT_NAME: u16 = 1;
pub const XT_REVISION: u16 = 2;
pub const XT_INFO: u16 = 3;

/// `NFT_REG_VERDICT`, and the first two data registers.
pub const REGISTER_VERDICT: u32 = 0;
pub const REGISTER_1: u32 = 1;
pub const REGISTER_2: u32 = 2;

pub const DROP: u32 = 0;
pub const ACCEPT: u32 = 1;

/// Offsets in an IPv6 header (RFC 8200), in bytes.
pub const IP6_SOURCE: u32 = 8;
pub const IP6_DESTINATION: u32 = 24;
/// Offsets in an IPv4 header (RFC 791), in bytes.
pub const IP4_PROTOCOL: u32 = 9;
pub const IP4_SOURCE: u32 = 12;
pub const IP4_DESTINATION: u32 = 16;
/// The destination port's offset in a TCP header (RFC 9293), in bytes.
pub const TCP_DESTINATION: u32 = 2;
pub const IPPROTO_TCP: u8 = 6;

/// `NF_NAT_RANGE_MAP_IPS`: the range has addresses.
pub const NAT_ADDRESS: u32 = 1;
/// `NF_NAT_RANGE_PROTO_SPECIFIED`: the range has ports.
pub const NAT_PORT: u32 = 2;

/// The number of a family (`NFPROTO_*`).
pub fn family_number(family: Family) -> u8 {
    match family {
        Family::Ip4 => FAMILY_IP4,
        Family::Ip6 => FAMILY_IP6,
    }
}

/// The body of an nfnetlink message: `struct nfgenmsg`, then attributes.
pub fn body(family: u8, resource: u16, attributes: &[u8]) -> Vec<u8> {
    // Family, version 0, resource ID in network byte order.
    let mut body = vec![family, 0];
    body.extend(resource.to_be_bytes());
    body.extend(attributes);
    body
}

/// The family in `struct nfgenmsg`, and the attributes after it.
pub fn split(body: &[u8]) -> Option<(u8, Attributes<'_>)> {
    Some((*body.first()?, Attributes::read(body.get(4..)?)?))
}

/// The resource ID of a batch's begin and end: the subsystem.
pub const BATCH_RESOURCE: u16 = SUBSYSTEM;
