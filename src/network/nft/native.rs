//! A rule in nftables' own expressions and words, for a table of our own. No module of xtables is
//! needed, and no iptables reads it.
//!
//! The words are what `nft -f` takes, and it makes of them the very expressions that are beside
//! them here: both come of the same step.

use std::fmt::{self, Write};
use std::net::IpAddr;

use super::super::netlink::attr::Writer;
use super::super::rule::{Match, Network, Rule, States, Verdict};
use super::encode::{self, compare, expression, immediate, meta, payload};
use super::{abi, encode::bitwise};
use crate::types::Interface;

/// The size of an interface's name in a register, in bytes (`IFNAMSIZ`).
const NAME_SIZE: usize = 16;

/// A rule in both forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// As `nft` reads it.
    pub text: String,
    /// The value of `NFTA_RULE_EXPRESSIONS`.
    pub expressions: Vec<u8>,
}

/// One or more rules that together do what `rule` does, in any order.
#[must_use]
pub fn natives(rule: &Rule) -> Vec<Native> {
    let conditions = connection(rule.states.as_ref());
    conditions.iter().map(|c| native(rule, c)).collect()
}

fn native(rule: &Rule, connection: &[Condition]) -> Native {
    let mut both = Both::default();
    both.interface(rule.interface.as_ref());
    both.address("saddr", rule.source.as_ref());
    both.address("daddr", rule.destination.as_ref());
    encode::addresses(&mut both.list, rule);
    both.port(rule.tcp_port);
    for condition in connection {
        both.connection(*condition);
    }
    both.verdict(rule.verdict);
    Native {
        text: both.text,
        expressions: both.list.finish(),
    }
}

/// A condition about a packet's connection: some of these bits, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Condition {
    key: Key,
    some: bool,
    bits: u32,
}

/// What is asked of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// `NFT_CT_STATE`. A packet without a connection has a state: invalid or untracked.
    State,
    /// `NFT_CT_STATUS`. A packet without a connection has none: the rule does not hold for it.
    Status,
}

/// The bits of `xt_conntrack` that are states for nftables (`NF_CT_STATE_BIT`), and their names.
const STATES: [(u16, u32, &str); 5] = [
    (0x01, 0x01, "invalid"),
    (0x02, 0x02, "established"),
    (0x04, 0x04, "related"),
    (0x08, 0x08, "new"),
    (0x100, 0x40, "untracked"),
];
/// Those that are status bits (`IPS_SRC_NAT`, `IPS_DST_NAT`).
const STATUS: [(u16, u32, &str); 2] = [(0x40, 0x10, "snat"), (0x80, 0x20, "dnat")];
/// The states of a packet without a connection.
const NO_CONNECTION: u32 = 0x01 | 0x40;

/// What `xt_conntrack` asks at once, as the conditions of one rule or of two.
fn connection(states: Option<&Match<States>>) -> Vec<Vec<Condition>> {
    let Some(Match { negated, value }) = states else {
        return vec![Vec::new()];
    };
    let bits = |names: &[(u16, u32, &str)]| {
        let held = names.iter().filter(|(bit, ..)| value.0 & bit != 0);
        held.fold(0, |all, (_, bit, _)| all | bit)
    };
    let condition = |key, bits| Condition {
        key,
        some: !negated,
        bits,
    };
    let asked = [
        condition(Key::State, bits(&STATES)),
        condition(Key::Status, bits(&STATUS)),
    ];
    let asked: Vec<_> = asked.into_iter().filter(|c| c.bits != 0).collect();
    if !negated {
        return asked.into_iter().map(|c| vec![c]).collect();
    }
    let mut rules = vec![asked.clone()];
    if asked.iter().any(|c| c.key == Key::Status) {
        // That rule holds for no packet without a connection; `xt_conntrack` would.
        rules.push(vec![Condition {
            key: Key::State,
            some: true,
            bits: NO_CONNECTION & !bits(&STATES),
        }]);
    }
    rules
}

/// Words and expressions of one rule, as they grow.
#[derive(Debug, Default)]
struct Both {
    text: String,
    list: Writer,
}

impl Both {
    fn say(&mut self, words: fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = self.text.write_fmt(words);
    }

    fn interface(&mut self, interface: Option<&Match<Interface>>) {
        let Some(Match { negated, value }) = interface else {
            return;
        };
        self.say(format_args!("iifname {}\"{value}\" ", not(*negated)));
        let mut name = value.as_str().as_bytes().to_vec();
        name.resize(NAME_SIZE, 0);
        meta(&mut self.list, abi::META_IIFNAME);
        compare(&mut self.list, *negated, &name);
    }

    /// The words alone: [`encode::addresses`] writes both addresses' expressions.
    fn address(&mut self, which: &str, network: Option<&Match<Network>>) {
        let Some(Match { negated, value }) = network else {
            return;
        };
        let (header, bits) = match value.address {
            IpAddr::V4(_) => ("ip", 32),
            IpAddr::V6(_) => ("ip6", 128),
        };
        self.say(format_args!(
            "{header} {which} {}{}",
            not(*negated),
            value.address
        ));
        if value.prefix < bits {
            self.say(format_args!("/{}", value.prefix));
        }
        self.text.push(' ');
    }

    fn port(&mut self, port: Option<u16>) {
        let Some(port) = port else { return };
        self.say(format_args!("tcp dport {port} "));
        meta(&mut self.list, abi::META_L4PROTO);
        compare(&mut self.list, false, &[abi::IPPROTO_TCP]);
        payload(&mut self.list, abi::BASE_TRANSPORT, abi::TCP_DESTINATION, 2);
        compare(&mut self.list, false, &port.to_be_bytes());
    }

    fn connection(&mut self, condition: Condition) {
        let Condition { key, some, bits } = condition;
        let (word, number, names) = match key {
            Key::State => ("state", abi::CT_STATE, &STATES[..]),
            Key::Status => ("status", abi::CT_STATUS, &STATUS[..]),
        };
        let names = names.iter().filter(|(_, bit, _)| bits & bit != 0);
        let names: Vec<_> = names.map(|(.., name)| *name).collect();
        if some {
            self.say(format_args!("ct {word} {} ", names.join(",")));
        } else {
            self.say(format_args!("ct {word} & ({}) == 0 ", names.join(" | ")));
        }
        expression(&mut self.list, "ct", |data| {
            data.be32(abi::CT_KEY, number)
                .be32(abi::CT_REGISTER, abi::REGISTER_1);
        });
        bitwise(&mut self.list, &bits.to_ne_bytes());
        compare(&mut self.list, some, &0_u32.to_ne_bytes());
    }

    fn verdict(&mut self, verdict: Verdict) {
        self.text.push_str("counter ");
        expression(&mut self.list, "counter", |data| {
            data.be64(abi::COUNTER_BYTES, 0)
                .be64(abi::COUNTER_PACKETS, 0);
        });
        match verdict {
            Verdict::Accept => {
                self.text.push_str("accept");
                immediate(&mut self.list, abi::ACCEPT);
            }
            Verdict::Drop => {
                self.text.push_str("drop");
                immediate(&mut self.list, abi::DROP);
            }
            Verdict::Dnat(to) => {
                self.say(format_args!("dnat to {to}"));
                self.load(abi::REGISTER_1, &to.ip().octets());
                self.load(abi::REGISTER_2, &to.port().to_be_bytes());
                expression(&mut self.list, "nat", |data| {
                    data.be32(abi::NAT_TYPE, abi::NAT_TYPE_DNAT)
                        .be32(abi::NAT_FAMILY, abi::FAMILY_IP4.into())
                        .be32(abi::NAT_REGISTER_ADDRESS, abi::REGISTER_1)
                        .be32(abi::NAT_REGISTER_PORT, abi::REGISTER_2)
                        .be32(abi::NAT_FLAGS, abi::NAT_PORT);
                });
            }
            Verdict::Redirect(port) => {
                self.say(format_args!("redirect to :{port}"));
                self.load(abi::REGISTER_1, &port.to_be_bytes());
                expression(&mut self.list, "redir", |data| {
                    data.be32(abi::REDIRECT_REGISTER_PORT, abi::REGISTER_1)
                        .be32(abi::REDIRECT_FLAGS, abi::NAT_PORT);
                });
            }
        }
    }

    /// Puts a value into a register.
    fn load(&mut self, register: u32, value: &[u8]) {
        expression(&mut self.list, "immediate", |data| {
            data.be32(abi::IMMEDIATE_REGISTER, register)
                .nest(abi::IMMEDIATE_DATA, |data| {
                    data.bytes(abi::DATA_VALUE, value);
                });
        });
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "!= " } else { "" }
}
