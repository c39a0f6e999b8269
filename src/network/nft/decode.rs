//! Decodes expressions to a [`Rule`]. Several encodings have the same meaning. A rule with an
//! expression that is not known here was not written by this program and is never changed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{abi, expressions, xtables};
use crate::network::chain::Family;
use crate::network::netlink::attr::Attributes;
use crate::network::rule::{Cidr, Match, Rule, Verdict};
use crate::types::Interface;

/// What a register contains.
#[derive(Debug, Clone, Copy)]
enum Loaded {
    Interface,
    Protocol,
    /// The first `length` bytes of an address, masked to the first `prefix` bits.
    Address {
        source: bool,
        length: u32,
        prefix: u32,
    },
    Port,
}

/// The state of the decoder: the registers and the parts of the rule so far.
#[derive(Debug)]
struct Decoder {
    family: Family,
    registers: BTreeMap<u32, Loaded>,
    rule: Rule,
    tcp: bool,
    verdict: Option<Verdict>,
}

/// Decodes the value of `NFTA_RULE_EXPRESSIONS` of a rule in a table of this family. `None` for a
/// rule that this program does not write.
pub(super) fn decode(family: Family, expressions: &[u8]) -> Option<Rule> {
    let mut decoder = Decoder {
        family,
        registers: BTreeMap::new(),
        rule: Rule::unconditional(Verdict::Accept),
        tcp: false,
        verdict: None,
    };
    for (name, data) in expressions::read(expressions)? {
        // Nothing after the verdict is evaluated.
        if decoder.verdict.is_some() {
            return None;
        }
        match name {
            "meta" => decoder.meta(&data)?,
            "payload" => decoder.payload(&data)?,
            "bitwise" => decoder.bitwise(&data)?,
            "cmp" => decoder.compare(&data)?,
            "match" => decoder.xt_match(&data)?,
            "target" => decoder.xt_target(&data)?,
            "immediate" => decoder.immediate(&data)?,
            "counter" => {}
            _ => return None,
        }
    }
    decoder.finish()
}

/// Whether a rule drops or rejects every packet.
pub(super) fn rejects_all(expressions: &[u8]) -> bool {
    let rejects = |(name, data): &(&str, Attributes)| match *name {
        "reject" => true,
        "target" => data.text(abi::XT_NAME) == Some("REJECT"),
        "immediate" => verdict_code(data) == Some(abi::DROP),
        _ => false,
    };
    let list = expressions::read(expressions).unwrap_or_default();
    // Any other expression is a condition.
    let mut others = list.iter().filter(|(name, _)| *name != "counter");
    others.next().is_some_and(rejects) && others.next().is_none()
}

/// The verdict of an `immediate` expression; `None` if it loads a data register.
fn verdict_code(data: &Attributes) -> Option<u32> {
    let verdict = data.nested(abi::IMMEDIATE_DATA)?;
    verdict.nested(abi::DATA_VERDICT)?.be32(abi::VERDICT_CODE)
}

/// Sets a value; `None` if it was set before.
fn set_once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.is_none().then(|| *slot = Some(value))
}

impl Decoder {
    fn meta(&mut self, data: &Attributes) -> Option<()> {
        let loaded = match data.be32(abi::META_KEY)? {
            abi::META_IIFNAME => Loaded::Interface,
            abi::META_L4PROTO => Loaded::Protocol,
            _ => return None,
        };
        self.registers
            .insert(data.be32(abi::META_REGISTER)?, loaded);
        Some(())
    }

    fn payload(&mut self, data: &Attributes) -> Option<()> {
        let base = data.be32(abi::PAYLOAD_BASE)?;
        let offset = data.be32(abi::PAYLOAD_OFFSET)?;
        let length = data.be32(abi::PAYLOAD_LENGTH)?;
        let address = |source| Loaded::Address {
            source,
            length,
            prefix: length * 8,
        };
        let loaded = match (self.family, base, offset, length) {
            (Family::Ip4, abi::BASE_NETWORK, abi::IP4_SOURCE, 1..=4)
            | (Family::Ip6, abi::BASE_NETWORK, abi::IP6_SOURCE, 1..=16) => address(true),
            (Family::Ip4, abi::BASE_NETWORK, abi::IP4_DESTINATION, 1..=4)
            | (Family::Ip6, abi::BASE_NETWORK, abi::IP6_DESTINATION, 1..=16) => address(false),
            // iptables-nft 1.8.11; 1.8.9 uses `meta l4proto`.
            (Family::Ip4, abi::BASE_NETWORK, abi::IP4_PROTOCOL, 1) => Loaded::Protocol,
            (_, abi::BASE_TRANSPORT, abi::TCP_DESTINATION, 2) => Loaded::Port,
            _ => return None,
        };
        self.registers
            .insert(data.be32(abi::PAYLOAD_REGISTER)?, loaded);
        Some(())
    }

    fn bitwise(&mut self, data: &Attributes) -> Option<()> {
        // Operation 0 is "and, then xor". Old kernels have no other and omit the attribute.
        if data.get(abi::BITWISE_OPERATION).is_some() && data.be32(abi::BITWISE_OPERATION)? != 0 {
            return None;
        }
        let xor = data.nested(abi::BITWISE_XOR)?.get(abi::DATA_VALUE)?;
        if xor.iter().any(|b| *b != 0) {
            return None;
        }
        let mask = data.nested(abi::BITWISE_MASK)?.get(abi::DATA_VALUE)?;
        let from = self.registers.get(&data.be32(abi::BITWISE_SOURCE)?)?;
        let Loaded::Address {
            source,
            length,
            prefix,
        } = *from
        else {
            return None;
        };
        // Only a whole address, and only once.
        let whole = prefix == length * 8 && matches!(length, 4 | 16);
        (whole && mask.len() == usize::try_from(length).ok()?).then_some(())?;
        let masked = Loaded::Address {
            source,
            length,
            prefix: prefix_of(mask)?,
        };
        self.registers
            .insert(data.be32(abi::BITWISE_DESTINATION)?, masked);
        Some(())
    }

    fn compare(&mut self, data: &Attributes) -> Option<()> {
        let negated = match data.be32(abi::CMP_OPERATION)? {
            abi::CMP_EQUAL => false,
            abi::CMP_NOT_EQUAL => true,
            _ => return None,
        };
        let value = data.nested(abi::CMP_DATA)?.get(abi::DATA_VALUE)?;
        match *self.registers.get(&data.be32(abi::CMP_REGISTER)?)? {
            Loaded::Interface => {
                let value = interface(value)?;
                set_once(&mut self.rule.interface, Match { negated, value })
            }
            Loaded::Protocol => self.tcp(!negated && value == [abi::IPPROTO_TCP]),
            Loaded::Port => {
                let port = u16::from_be_bytes(value.try_into().ok()?);
                (!negated).then_some(())?;
                set_once(&mut self.rule.tcp_port, port)
            }
            Loaded::Address {
                source,
                length,
                prefix,
            } => {
                (value.len() == usize::try_from(length).ok()?).then_some(())?;
                let value = cidr(self.family, prefix, value)?;
                let slot = if source {
                    &mut self.rule.source
                } else {
                    &mut self.rule.destination
                };
                set_once(slot, Match { negated, value })
            }
        }
    }

    /// Records that the rule matches TCP; `None` if it matches another protocol or a second time.
    fn tcp(&mut self, is_tcp: bool) -> Option<()> {
        (is_tcp && !self.tcp).then(|| self.tcp = true)
    }

    fn xt_match(&mut self, data: &Attributes) -> Option<()> {
        let revision = data.be32(abi::XT_REVISION)?;
        let info = data.get(abi::XT_INFO)?;
        match data.text(abi::XT_NAME)? {
            "tcp" if revision == 0 => set_once(&mut self.rule.tcp_port, xtables::read_tcp(info)?),
            "conntrack" => set_once(
                &mut self.rule.states,
                xtables::read_conntrack(revision, info)?,
            ),
            _ => None,
        }
    }

    fn xt_target(&mut self, data: &Attributes) -> Option<()> {
        let revision = data.be32(abi::XT_REVISION)?;
        let info = data.get(abi::XT_INFO)?;
        let verdict = match data.text(abi::XT_NAME)? {
            "DNAT" => xtables::read_dnat(revision, info)?,
            "REDIRECT" => xtables::read_redirect(revision, info)?,
            _ => return None,
        };
        set_once(&mut self.verdict, verdict)
    }

    fn immediate(&mut self, data: &Attributes) -> Option<()> {
        if data.be32(abi::IMMEDIATE_REGISTER)? != abi::REGISTER_VERDICT {
            return None;
        }
        let verdict = match verdict_code(data)? {
            abi::DROP => Verdict::Drop,
            abi::ACCEPT => Verdict::Accept,
            _ => return None,
        };
        set_once(&mut self.verdict, verdict)
    }

    fn finish(self) -> Option<Rule> {
        // This program writes no rule for TCP without a port or for a port without TCP.
        let verdict = self.verdict?;
        (self.tcp == self.rule.tcp_port.is_some()).then_some(Rule {
            verdict,
            ..self.rule
        })
    }
}

/// A NUL-terminated name; without NUL it is a pattern.
fn interface(value: &[u8]) -> Option<Interface> {
    let end = value.iter().position(|b| *b == 0)?;
    let (name, padding) = value.split_at(end);
    if padding.iter().any(|b| *b != 0) {
        return None;
    }
    Interface::new(std::str::from_utf8(name).ok()?).ok()
}

/// The number of bits of a mask; `None` if they are not contiguous.
fn prefix_of(mask: &[u8]) -> Option<u32> {
    let ones = mask.iter().map(|b| b.count_ones()).sum();
    let leading: u32 = match mask.iter().position(|b| *b != u8::MAX) {
        None => ones,
        Some(at) => u32::try_from(at).ok()? * 8 + mask[at].leading_ones(),
    };
    (leading == ones).then_some(ones)
}

/// The address range that a comparison of an address's first bytes with `value` matches.
fn cidr(family: Family, prefix: u32, value: &[u8]) -> Option<Cidr> {
    let mut octets = [0; 16];
    octets.get_mut(..value.len())?.copy_from_slice(value);
    // A bit outside of the mask would never be equal.
    let outside = u128::MAX.checked_shr(prefix).unwrap_or(0);
    (u128::from_be_bytes(octets) & outside == 0).then_some(())?;
    let address = match family {
        Family::Ip4 => IpAddr::from(*octets.first_chunk::<4>()?),
        Family::Ip6 => IpAddr::from(octets),
    };
    Some(Cidr {
        address,
        prefix: u8::try_from(prefix).ok()?,
    })
}
