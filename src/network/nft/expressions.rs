//! Lists of `nf_tables` expressions: the value of `NFTA_RULE_EXPRESSIONS`.

use std::net::IpAddr;

use super::abi;
use crate::network::netlink::attr::{Attributes, Writer};
use crate::network::rule::{Cidr, Match, Rule};

/// Encodes a list. Conditions use the first data register.
#[derive(Debug, Default)]
pub(super) struct Expressions(Writer);

impl Expressions {
    pub fn push(&mut self, name: &str, fill: impl FnOnce(&mut Writer)) {
        self.0.nest(abi::LIST_ELEMENT, |element| {
            element
                .text(abi::EXPRESSION_NAME, name)
                .nest(abi::EXPRESSION_DATA, fill);
        });
    }

    /// Loads metadata of the packet.
    pub fn meta(&mut self, key: u32) {
        self.push("meta", |data| {
            data.be32(abi::META_KEY, key)
                .be32(abi::META_REGISTER, abi::REGISTER_1);
        });
    }

    /// Loads `length` bytes of a header of the packet.
    pub fn payload(&mut self, base: u32, offset: u32, length: u32) {
        self.push("payload", |data| {
            data.be32(abi::PAYLOAD_REGISTER, abi::REGISTER_1)
                .be32(abi::PAYLOAD_BASE, base)
                .be32(abi::PAYLOAD_OFFSET, offset)
                .be32(abi::PAYLOAD_LENGTH, length);
        });
    }

    /// Masks what was loaded. At most 16 bytes.
    pub fn bitwise(&mut self, mask: &[u8]) {
        self.push("bitwise", |data| {
            data.be32(abi::BITWISE_SOURCE, abi::REGISTER_1)
                .be32(abi::BITWISE_DESTINATION, abi::REGISTER_1)
                .be32(abi::BITWISE_LENGTH, u32::try_from(mask.len()).unwrap_or(16))
                .nest(abi::BITWISE_MASK, |data| {
                    data.bytes(abi::DATA_VALUE, mask);
                })
                .nest(abi::BITWISE_XOR, |data| {
                    data.bytes(abi::DATA_VALUE, &vec![0; mask.len()]);
                });
        });
    }

    /// Compares what was loaded.
    pub fn compare(&mut self, negated: bool, value: &[u8]) {
        let operation = if negated {
            abi::CMP_NOT_EQUAL
        } else {
            abi::CMP_EQUAL
        };
        self.push("cmp", |data| {
            data.be32(abi::CMP_REGISTER, abi::REGISTER_1)
                .be32(abi::CMP_OPERATION, operation)
                .nest(abi::CMP_DATA, |data| {
                    data.bytes(abi::DATA_VALUE, value);
                });
        });
    }

    /// Matches TCP.
    pub fn tcp(&mut self) {
        self.meta(abi::META_L4PROTO);
        self.compare(false, &[abi::IPPROTO_TCP]);
    }

    /// Matches source and destination address.
    pub fn addresses(&mut self, rule: &Rule) {
        for (cidr, ip4, ip6) in [
            (&rule.source, abi::IP4_SOURCE, abi::IP6_SOURCE),
            (
                &rule.destination,
                abi::IP4_DESTINATION,
                abi::IP6_DESTINATION,
            ),
        ] {
            if let Some(cidr) = cidr {
                self.address(ip4, ip6, cidr);
            }
        }
    }

    /// Matches an address at this offset of the IPv4 or IPv6 header. Of a prefix of whole bytes
    /// only those bytes are compared, without a mask.
    fn address(&mut self, ip4: u32, ip6: u32, cidr: &Match<Cidr>) {
        let Match { negated, value } = cidr;
        let (offset, octets) = match value.address {
            IpAddr::V4(address) => (ip4, address.octets().to_vec()),
            IpAddr::V6(address) => (ip6, address.octets().to_vec()),
        };
        let bytes = usize::from(value.prefix / 8).min(octets.len());
        if value.prefix.is_multiple_of(8) && bytes > 0 {
            self.payload(abi::BASE_NETWORK, offset, (value.prefix / 8).into());
            self.compare(*negated, &octets[..bytes]);
        } else {
            let length = if octets.len() == 4 { 4 } else { 16 };
            self.payload(abi::BASE_NETWORK, offset, length);
            self.bitwise(&mask(value.prefix, octets.len()));
            self.compare(*negated, &octets);
        }
    }

    pub fn counter(&mut self) {
        self.push("counter", |data| {
            data.be64(abi::COUNTER_BYTES, 0)
                .be64(abi::COUNTER_PACKETS, 0);
        });
    }

    /// Ends the rule with `abi::ACCEPT` or `abi::DROP`.
    pub fn verdict(&mut self, code: u32) {
        self.push("immediate", |data| {
            data.be32(abi::IMMEDIATE_REGISTER, abi::REGISTER_VERDICT)
                .nest(abi::IMMEDIATE_DATA, |data| {
                    data.nest(abi::DATA_VERDICT, |verdict| {
                        verdict.be32(abi::VERDICT_CODE, code);
                    });
                });
        });
    }

    /// Loads a constant.
    pub fn load(&mut self, register: u32, value: &[u8]) {
        self.push("immediate", |data| {
            data.be32(abi::IMMEDIATE_REGISTER, register)
                .nest(abi::IMMEDIATE_DATA, |data| {
                    data.bytes(abi::DATA_VALUE, value);
                });
        });
    }

    pub fn finish(self) -> Vec<u8> {
        self.0.finish()
    }
}

/// Decodes a list: name and attributes of each expression.
pub(super) fn read(list: &[u8]) -> Option<Vec<(&str, Attributes<'_>)>> {
    let expression = |(_, element)| {
        let element = Attributes::read(element)?;
        let data = element.get(abi::EXPRESSION_DATA).unwrap_or_default();
        Some((element.text(abi::EXPRESSION_NAME)?, Attributes::read(data)?))
    };
    Attributes::read(list)?.iter().map(expression).collect()
}

/// `bytes` bytes (at most 16) of which the first `prefix` bits are set.
fn mask(prefix: u8, bytes: usize) -> Vec<u8> {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into()));
    mask.unwrap_or(0).to_be_bytes()[..bytes.min(16)].to_vec()
}
