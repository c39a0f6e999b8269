//! Rules in nftables' native expressions, for the dedicated table. They need no xtables extension,
//! and iptables does not read them.
//!
//! Each rule is built as text and as expressions side by side: `nft -f` makes the same expressions
//! of the text.

use std::fmt::{self, Write};
use std::net::IpAddr;

use super::abi;
use super::expressions::Expressions;
use super::step::EncodedRule;
use super::userdata;
use crate::network::rule::{Cidr, CtStates, Match, Rule, Verdict};
use crate::types::Interface;

/// The size of an interface name in a register, in bytes (`IFNAMSIZ`).
const NAME_SIZE: usize = 16;

/// Encodes a rule as one or more rules, which are equivalent to it together, in any order.
pub(super) fn encode(rule: &Rule) -> Vec<EncodedRule> {
    let conditions = ct_conditions(rule.states.as_ref());
    conditions.iter().map(|c| encode_one(rule, c)).collect()
}

fn encode_one(rule: &Rule, ct_conditions: &[CtCondition]) -> EncodedRule {
    let mut builder = Builder::default();
    builder.interface(rule.interface.as_ref());
    builder.address_text("saddr", rule.source.as_ref());
    builder.address_text("daddr", rule.destination.as_ref());
    builder.list.addresses(rule);
    builder.port(rule.tcp_port);
    for condition in ct_conditions {
        builder.ct(*condition);
    }
    builder.verdict(rule.verdict);
    EncodedRule {
        userdata: userdata::mark_with_text(&builder.text),
        text: builder.text,
        expressions: builder.list.finish(),
        compat_protocol: None,
    }
}

/// A condition on a packet's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CtCondition {
    key: CtKey,
    /// Whether any of the bits must be set; otherwise none may be.
    any: bool,
    bits: u32,
}

/// A property of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CtKey {
    /// `NFT_CT_STATE`. A packet without a connection has the state invalid or untracked.
    State,
    /// `NFT_CT_STATUS`. A packet without a connection has no status and matches no condition on it.
    Status,
}

/// The bits of `xt_conntrack` that are states in nftables: bit, `NF_CT_STATE_BIT`, name.
const STATES: [(u16, u32, &str); 5] = [
    (0x01, 0x01, "invalid"),
    (0x02, 0x02, "established"),
    (0x04, 0x04, "related"),
    (0x08, 0x08, "new"),
    (0x100, 0x40, "untracked"),
];
/// Those that are status bits (`IPS_SRC_NAT`, `IPS_DST_NAT`): bit, status bit, name.
const STATUS: [(u16, u32, &str); 2] = [(0x40, 0x10, "snat"), (0x80, 0x20, "dnat")];
/// The states of a packet without a connection.
const NO_CONNECTION: u32 = 0x01 | 0x40;

/// A condition of `xt_conntrack` as the conditions of one or two rules.
fn ct_conditions(states: Option<&Match<CtStates>>) -> Vec<Vec<CtCondition>> {
    let Some(Match { negated, value }) = states else {
        return vec![Vec::new()];
    };
    let bits = |names: &[(u16, u32, &str)]| {
        let set = names.iter().filter(|(bit, ..)| value.0 & bit != 0);
        set.fold(0, |all, (_, bit, _)| all | bit)
    };
    let condition = |key, bits| CtCondition {
        key,
        any: !negated,
        bits,
    };
    let conditions = [
        condition(CtKey::State, bits(&STATES)),
        condition(CtKey::Status, bits(&STATUS)),
    ];
    let conditions: Vec<_> = conditions.into_iter().filter(|c| c.bits != 0).collect();
    if !negated {
        return conditions.into_iter().map(|c| vec![c]).collect();
    }
    let mut rules = vec![conditions.clone()];
    if conditions.iter().any(|c| c.key == CtKey::Status) {
        // That rule matches no packet without a connection; `xt_conntrack` does.
        rules.push(vec![CtCondition {
            key: CtKey::State,
            any: true,
            bits: NO_CONNECTION & !bits(&STATES),
        }]);
    }
    rules
}

/// Builds the text and the expressions of one rule.
#[derive(Debug, Default)]
struct Builder {
    text: String,
    list: Expressions,
}

impl Builder {
    fn push_text(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a String does not fail.
        let _ = self.text.write_fmt(text);
    }

    fn interface(&mut self, interface: Option<&Match<Interface>>) {
        let Some(Match { negated, value }) = interface else {
            return;
        };
        self.push_text(format_args!("iifname {}\"{value}\" ", not(*negated)));
        let mut name = value.as_str().as_bytes().to_vec();
        name.resize(NAME_SIZE, 0);
        self.list.meta(abi::META_IIFNAME);
        self.list.compare(*negated, &name);
    }

    /// Only the text: [`Expressions::addresses`] writes the expressions of both addresses.
    fn address_text(&mut self, field: &str, cidr: Option<&Match<Cidr>>) {
        let Some(Match { negated, value }) = cidr else {
            return;
        };
        let (header, bits) = match value.address {
            IpAddr::V4(_) => ("ip", 32),
            IpAddr::V6(_) => ("ip6", 128),
        };
        self.push_text(format_args!(
            "{header} {field} {}{}",
            not(*negated),
            value.address
        ));
        if value.prefix < bits {
            self.push_text(format_args!("/{}", value.prefix));
        }
        self.text.push(' ');
    }

    fn port(&mut self, port: Option<u16>) {
        let Some(port) = port else { return };
        self.push_text(format_args!("tcp dport {port} "));
        self.list.tcp();
        self.list
            .payload(abi::BASE_TRANSPORT, abi::TCP_DESTINATION, 2);
        self.list.compare(false, &port.to_be_bytes());
    }

    fn ct(&mut self, condition: CtCondition) {
        let CtCondition { key, any, bits } = condition;
        let (keyword, number, names) = match key {
            CtKey::State => ("state", abi::CT_STATE, &STATES[..]),
            CtKey::Status => ("status", abi::CT_STATUS, &STATUS[..]),
        };
        let names = names.iter().filter(|(_, bit, _)| bits & bit != 0);
        let names: Vec<_> = names.map(|(.., name)| *name).collect();
        if any {
            self.push_text(format_args!("ct {keyword} {} ", names.join(",")));
        } else {
            self.push_text(format_args!("ct {keyword} & ({}) == 0 ", names.join(" | ")));
        }
        self.list.push("ct", |data| {
            data.be32(abi::CT_KEY, number)
                .be32(abi::CT_REGISTER, abi::REGISTER_1);
        });
        self.list.bitwise(&bits.to_ne_bytes());
        self.list.compare(any, &0_u32.to_ne_bytes());
    }

    fn verdict(&mut self, verdict: Verdict) {
        self.text.push_str("counter ");
        self.list.counter();
        match verdict {
            Verdict::Accept => {
                self.text.push_str("accept");
                self.list.verdict(abi::ACCEPT);
            }
            Verdict::Drop => {
                self.text.push_str("drop");
                self.list.verdict(abi::DROP);
            }
            Verdict::Dnat(to) => {
                self.push_text(format_args!("dnat to {to}"));
                self.list.load(abi::REGISTER_1, &to.ip().octets());
                self.list.load(abi::REGISTER_2, &to.port().to_be_bytes());
                self.list.push("nat", |data| {
                    data.be32(abi::NAT_TYPE, abi::NAT_TYPE_DNAT)
                        .be32(abi::NAT_FAMILY, abi::FAMILY_IP4.into())
                        .be32(abi::NAT_REGISTER_ADDRESS, abi::REGISTER_1)
                        .be32(abi::NAT_REGISTER_PORT, abi::REGISTER_2)
                        .be32(abi::NAT_FLAGS, abi::NAT_PORT);
                });
            }
            Verdict::Redirect(port) => {
                self.push_text(format_args!("redirect to :{port}"));
                self.list.load(abi::REGISTER_1, &port.to_be_bytes());
                self.list.push("redir", |data| {
                    data.be32(abi::REDIRECT_REGISTER_PORT, abi::REGISTER_1)
                        .be32(abi::REDIRECT_FLAGS, abi::NAT_PORT);
                });
            }
        }
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "!= " } else { "" }
}
