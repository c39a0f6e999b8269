//! Encoding and decoding of rules.

use super::super::decode::decode;
use super::super::dedicated_table::DedicatedTables;
use super::super::snapshot::Snapshot;
use super::super::step::Step;
use super::super::{abi, batch, iptables_encoding, modules, plan};
use super::default_rules;
use crate::network::chain::{ChainId, Family};
use crate::network::netlink::attr::{Attributes, Writer};
use crate::network::rule::{Cidr, CtStates, Match, Rule, Verdict};
use crate::network::rules::{CHAINS, INPUT};

fn every_default_rule() -> Vec<(Family, Rule)> {
    let set = default_rules();
    let chains = CHAINS.iter().map(|(chain, _)| *chain);
    chains
        .flat_map(|chain| {
            set.of_chain(chain)
                .map(move |p| (chain.family, p.rule.clone()))
        })
        .collect()
}

fn encode(rule: &Rule) -> Vec<u8> {
    iptables_encoding::encode(rule).expressions
}

#[test]
fn encoded_rules_decode_to_the_same_rule() {
    let mut rules = every_default_rule();
    rules.push((
        Family::Ip4,
        Rule {
            // Not whole bytes: encoded with a mask.
            source: Some(Match::is(Cidr {
                address: [172, 16, 0, 0].into(),
                prefix: 12,
            })),
            destination: Some(Match::is_not(Cidr {
                address: [0, 0, 0, 0].into(),
                prefix: 0,
            })),
            states: Some(Match::is(CtStates(0x1c1))),
            ..Rule::unconditional(Verdict::Accept)
        },
    ));
    for (family, rule) in rules {
        assert_eq!(decode(family, &encode(&rule)), Some(rule));
    }
}

/// `--dport` as iptables 1.8.9 and 1.8.11 write it: a comparison of two bytes of the header.
fn native_port(list: &mut Writer, port: u16) {
    list.nest(abi::LIST_ELEMENT, |e| {
        e.text(abi::EXPRESSION_NAME, "payload")
            .nest(abi::EXPRESSION_DATA, |d| {
                d.be32(abi::PAYLOAD_REGISTER, abi::REGISTER_1)
                    .be32(abi::PAYLOAD_BASE, abi::BASE_TRANSPORT)
                    .be32(abi::PAYLOAD_OFFSET, abi::TCP_DESTINATION)
                    .be32(abi::PAYLOAD_LENGTH, 2);
            });
    });
    list.nest(abi::LIST_ELEMENT, |e| {
        e.text(abi::EXPRESSION_NAME, "cmp")
            .nest(abi::EXPRESSION_DATA, |d| {
                d.be32(abi::CMP_REGISTER, abi::REGISTER_1)
                    .be32(abi::CMP_OPERATION, abi::CMP_EQUAL)
                    .nest(abi::CMP_DATA, |d| {
                        d.bytes(abi::DATA_VALUE, &port.to_be_bytes());
                    });
            });
    });
}

#[test]
fn port_is_decoded_from_either_encoding_but_not_from_both() {
    let mut seen = 0;
    for (family, rule) in every_default_rule() {
        let Some(port) = rule.tcp_port else { continue };
        let bytes = encode(&rule);
        let (mut native, mut both) = (Writer::default(), Writer::default());
        for (kind, element) in Attributes::read(&bytes).unwrap().iter() {
            let name = Attributes::read(element).unwrap();
            if name.text(abi::EXPRESSION_NAME) == Some("match") {
                native_port(&mut native, port);
                native_port(&mut both, port);
            } else {
                native.bytes(kind, element);
            }
            both.bytes(kind, element);
        }
        assert_eq!(decode(family, &both.finish()), None);
        assert_eq!(decode(family, &native.finish()), Some(rule));
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn truncated_or_unknown_expressions_decode_to_no_rule() {
    for (family, rule) in every_default_rule() {
        let bytes = encode(&rule);
        for end in 0..bytes.len() {
            // Truncated between two expressions, it is a rule without a verdict.
            assert_eq!(decode(family, &bytes[..end]), None, "{end} of {rule}");
        }
        // An unknown expression before or after.
        let unknown = [12, 0, 1, 0, 8, 0, 1, 0, b'x', b'y', b'z', 0];
        assert_eq!(decode(family, &[&unknown[..], &bytes].concat()), None);
        assert_eq!(decode(family, &[&bytes[..], &unknown].concat()), None);
        // The same expressions twice.
        assert_eq!(decode(family, &[&bytes[..], &bytes].concat()), None);
    }
}

#[test]
fn random_bytes_do_not_panic() {
    // xorshift64: the same bytes in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let below = |n: u64, limit: usize| usize::try_from(n % limit as u64).unwrap();
    let messages = batch::messages(
        1,
        &plan::apply_steps(&Snapshot::default(), &default_rules()).unwrap(),
    );
    let rules = every_default_rule();
    for _ in 0..20_000 {
        let (family, rule) = &rules[below(random(), rules.len())];
        let mut bytes = encode(rule);
        let body = &messages[below(random(), messages.len())].body;
        let mut body = body.clone();
        for target in [&mut bytes, &mut body] {
            for _ in 0..=random() % 4 {
                let at = below(random(), target.len());
                target[at] = random().to_le_bytes()[0];
            }
            target.truncate(below(random(), target.len() + 1));
        }
        let _ = decode(*family, &bytes);
        let mut read = Snapshot::default();
        let _ = (
            read.add_table(&body),
            read.add_chain(&body),
            read.add_rule(INPUT, &body),
            modules::required_by(&bytes),
        );
    }
}

#[test]
fn every_module_of_a_rule_is_listed() {
    let modules = |chain: ChainId, index| {
        let set = default_rules();
        let rule = &set.of_chain(chain).nth(index).unwrap().rule;
        modules::required_by(&encode(rule)).join(" ")
    };
    let [_, (prerouting, _), (output, _), ..] = CHAINS;
    assert_eq!(modules(INPUT, 0), "nft_compat xt_tcpudp nft_counter");
    assert_eq!(modules(INPUT, 2), "nft_compat xt_conntrack nft_counter");
    let nat = "nft_compat xt_tcpudp nft_counter";
    assert_eq!(modules(prerouting, 0), format!("{nat} xt_nat"));
    assert_eq!(modules(output, 0), format!("{nat} xt_REDIRECT"));
    let tables = DedicatedTables::new(&default_rules());
    let steps = tables.apply_steps(&Snapshot::default());
    let native = steps.iter().flat_map(|step| match step {
        Step::AddRule(_, _, rule) => modules::required_by(&rule.expressions),
        _ => Vec::new(),
    });
    let native: std::collections::BTreeSet<_> = native.collect();
    let expected = ["nft_counter", "nft_ct", "nft_nat", "nft_redir"];
    assert!(native.into_iter().eq(expected));
}
