//! `nf_tables` expressions back to the rule that they mean. Several encodings mean the same rule;
//! what is not understood to the last expression is nobody of ours, and never touched.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::netlink::attr::Attributes;
use super::super::rule::{Family, Match, Network, Rule, States, Verdict};
use super::{abi, xtables};
use crate::types::Interface;

/// What a register was loaded with.
#[derive(Debug, Clone, Copy)]
enum Loaded {
    Interface,
    Protocol,
    /// An address's first `length` bytes, of which the first `prefix` bits count.
    Address {
        source: bool,
        length: u32,
        prefix: u32,
    },
    Port,
}

/// The parts of a rule, as they turn up.
#[derive(Debug)]
struct Parts {
    family: Family,
    registers: BTreeMap<u32, Loaded>,
    source: Option<Match<Network>>,
    destination: Option<Match<Network>>,
    interface: Option<Match<Interface>>,
    tcp: bool,
    port: Option<u16>,
    states: Option<Match<States>>,
    verdict: Option<Verdict>,
}

/// Reads the value of `NFTA_RULE_EXPRESSIONS` of a rule in a table of this family. `None`: not a
/// rule that we could have written.
#[must_use]
pub fn decode(family: Family, expressions: &[u8]) -> Option<Rule> {
    let mut parts = Parts::of(family);
    for (_, element) in Attributes::read(expressions)?.iter() {
        // Behind the verdict nothing is reached.
        if parts.verdict.is_some() {
            return None;
        }
        let element = Attributes::read(element)?;
        let data = element.get(abi::EXPRESSION_DATA).unwrap_or_default();
        let data = Attributes::read(data)?;
        match element.text(abi::EXPRESSION_NAME)? {
            "meta" => parts.meta(&data)?,
            "payload" => parts.payload(&data)?,
            "bitwise" => parts.bitwise(&data)?,
            "cmp" => parts.compare(&data)?,
            "match" => parts.xt_match(&data)?,
            "target" => parts.xt_target(&data)?,
            "immediate" => parts.immediate(&data)?,
            "counter" => {}
            _ => return None,
        }
    }
    parts.finish()
}

/// Whether a rule drops or rejects every packet that comes to it.
#[must_use]
pub fn refuses_all(expressions: &[u8]) -> bool {
    let refuses = |(_, element)| {
        let element = Attributes::read(element)?;
        let data = element.get(abi::EXPRESSION_DATA).unwrap_or_default();
        let data = Attributes::read(data)?;
        match element.text(abi::EXPRESSION_NAME)? {
            "counter" => Some(false),
            "reject" => Some(true),
            "target" => (data.text(abi::XT_NAME)? == "REJECT").then_some(true),
            "immediate" => {
                let verdict = data.nested(abi::IMMEDIATE_DATA)?;
                let verdict = verdict.nested(abi::DATA_VERDICT)?;
                (verdict.be32(abi::VERDICT_CODE)? == abi::DROP).then_some(true)
            }
            // Any condition.
            _ => None,
        }
    };
    let all: Option<Vec<bool>> =
        Attributes::read(expressions).and_then(|list| list.iter().map(refuses).collect());
    all.is_some_and(|all| all.contains(&true))
}

/// Puts a value where there must not be one yet.
fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.is_none().then(|| *slot = Some(value))
}

impl Parts {
    fn of(family: Family) -> Parts {
        Parts {
            family,
            registers: BTreeMap::new(),
            source: None,
            destination: None,
            interface: None,
            tcp: false,
            port: None,
            states: None,
            verdict: None,
        }
    }

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
            // So iptables-nft 1.8.11 says what 1.8.9 says with `meta l4proto`.
            (Family::Ip4, abi::BASE_NETWORK, abi::IP4_PROTOCOL, 1) => Loaded::Protocol,
            (_, abi::BASE_TRANSPORT, abi::TCP_DESTINATION, 2) => Loaded::Port,
            _ => return None,
        };
        self.registers
            .insert(data.be32(abi::PAYLOAD_REGISTER)?, loaded);
        Some(())
    }

    fn bitwise(&mut self, data: &Attributes) -> Option<()> {
        // Operation 0 is "and, then exclusive or"; old kernels know no other and do not say it.
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
        // All bytes of one address, masked once.
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
                once(&mut self.interface, Match { negated, value })
            }
            Loaded::Protocol => self.tcp(!negated && value == [abi::IPPROTO_TCP]),
            Loaded::Port => {
                let port = u16::from_be_bytes(value.try_into().ok()?);
                (!negated).then_some(())?;
                once(&mut self.port, port)
            }
            Loaded::Address {
                source,
                length,
                prefix,
            } => {
                (value.len() == usize::try_from(length).ok()?).then_some(())?;
                let value = network(self.family, prefix, value)?;
                let slot = if source {
                    &mut self.source
                } else {
                    &mut self.destination
                };
                once(slot, Match { negated, value })
            }
        }
    }

    /// Notes that the rule is about TCP; `None` if it is about something else, or says so twice.
    fn tcp(&mut self, is_tcp: bool) -> Option<()> {
        (is_tcp && !self.tcp).then(|| self.tcp = true)
    }

    fn xt_match(&mut self, data: &Attributes) -> Option<()> {
        let revision = data.be32(abi::XT_REVISION)?;
        let info = data.get(abi::XT_INFO)?;
        match data.text(abi::XT_NAME)? {
            "tcp" if revision == 0 => once(&mut self.port, xtables::tcp(info)?),
            "conntrack" => once(&mut self.states, xtables::conntrack(revision, info)?),
            _ => None,
        }
    }

    fn xt_target(&mut self, data: &Attributes) -> Option<()> {
        let revision = data.be32(abi::XT_REVISION)?;
        let info = data.get(abi::XT_INFO)?;
        let verdict = match data.text(abi::XT_NAME)? {
            "DNAT" => xtables::dnat(revision, info)?,
            "REDIRECT" => xtables::redirect(revision, info)?,
            _ => return None,
        };
        once(&mut self.verdict, verdict)
    }

    fn immediate(&mut self, data: &Attributes) -> Option<()> {
        if data.be32(abi::IMMEDIATE_REGISTER)? != abi::REGISTER_VERDICT {
            return None;
        }
        let verdict = data
            .nested(abi::IMMEDIATE_DATA)?
            .nested(abi::DATA_VERDICT)?;
        let verdict = match verdict.be32(abi::VERDICT_CODE)? {
            abi::DROP => Verdict::Drop,
            abi::ACCEPT => Verdict::Accept,
            _ => return None,
        };
        once(&mut self.verdict, verdict)
    }

    fn finish(self) -> Option<Rule> {
        // TCP without a port, or a port of who knows which protocol, is none of ours.
        if self.tcp != self.port.is_some() {
            return None;
        }
        Some(Rule {
            source: self.source,
            destination: self.destination,
            interface: self.interface,
            tcp_port: self.port,
            states: self.states,
            verdict: self.verdict?,
        })
    }
}

/// A whole name, with its NUL; without one it would be a pattern.
fn interface(value: &[u8]) -> Option<Interface> {
    let end = value.iter().position(|b| *b == 0)?;
    let (name, padding) = value.split_at(end);
    if padding.iter().any(|b| *b != 0) {
        return None;
    }
    Interface::new(std::str::from_utf8(name).ok()?).ok()
}

/// How many bits a mask has; one with holes is no prefix.
fn prefix_of(mask: &[u8]) -> Option<u32> {
    let ones = mask.iter().map(|b| b.count_ones()).sum();
    let leading: u32 = match mask.iter().position(|b| *b != u8::MAX) {
        None => ones,
        Some(at) => u32::try_from(at).ok()? * 8 + mask[at].leading_ones(),
    };
    (leading == ones).then_some(ones)
}

/// The network that comparing an address's first bytes, of which `prefix` bits count, means.
fn network(family: Family, prefix: u32, value: &[u8]) -> Option<Network> {
    let mut octets = [0; 16];
    octets.get_mut(..value.len())?.copy_from_slice(value);
    // Bits outside of the mask could never be equal.
    let outside = u128::MAX.checked_shr(prefix).unwrap_or(0);
    (u128::from_be_bytes(octets) & outside == 0).then_some(())?;
    let address = match family {
        Family::Ip4 => IpAddr::from(*octets.first_chunk::<4>()?),
        Family::Ip6 => IpAddr::from(octets),
    };
    Some(Network {
        address,
        prefix: u8::try_from(prefix).ok()?,
    })
}
