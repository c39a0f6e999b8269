//! Encoding and decoding against each other, and planning without a kernel.

use super::super::netlink::attr::{Attributes, Writer};
use super::decode::decode;
use super::encode::encode;
use super::own::{self, OwnChain};
use super::plan::{self, Step};
use super::snapshot::{self, ChainState, RuleState, Snapshot, TableState};
use super::{abi, batch};
use crate::config::NetworkConfig;
use crate::network::rule::{Family, Match, Network, Rule, States, Table, Verdict};
use crate::network::rules::{PLACES, RuleSet};
use crate::types::Interface;

const DEFAULTS: NetworkConfig = NetworkConfig::DEFAULT;

fn wanted() -> RuleSet {
    RuleSet::new(&DEFAULTS, Some(&Interface::docker0()), true)
}

fn all_rules() -> Vec<(Family, Rule)> {
    let set = wanted();
    PLACES
        .iter()
        .flat_map(|(place, _)| set.at(*place).map(|w| (place.family, w.rule.clone())))
        .collect()
}

/// The kernel after `steps`, as far as planning sees it.
fn after(mut now: Snapshot, steps: &[Step]) -> Snapshot {
    for (number, step) in (1000..).zip(steps) {
        match step {
            Step::MakeTable(family, table) => now.tables.push(TableState {
                family: *family,
                table: *table,
                uses: 0,
                ours: true,
            }),
            Step::MakeChain(place) => {
                now.chains.push(ChainState {
                    place: *place,
                    hook: Some(place.hook()),
                    kind: place.kind().into(),
                    accepts: true,
                    uses: 0,
                    ours: true,
                });
                for table in &mut now.tables {
                    let same = table.family == place.family && table.table == place.table;
                    table.uses += u32::from(same);
                }
            }
            Step::TakeOut(_, handle) => now.rules.retain(|r| r.handle != *handle),
            Step::Write(place, position, rule) => {
                let state = RuleState {
                    place: *place,
                    handle: number,
                    rule: Some(rule.clone()),
                    marked: true,
                    refuses: false,
                };
                match position {
                    crate::network::rules::Position::Head => now.rules.insert(0, state),
                    crate::network::rules::Position::Tail => now.rules.push(state),
                }
            }
            Step::RemoveChain(place) => now.chains.retain(|c| c.place != *place),
            Step::RemoveTable(family, table) => now
                .tables
                .retain(|t| (t.family, t.table) != (*family, *table)),
            Step::MakeOwnTable(family) => {
                now.own.tables.insert(*family);
            }
            Step::MakeOwnChain(place) => {
                let chain = OwnChain {
                    hook: Some(own::hook(*place)),
                    kind: place.kind().into(),
                    accepts: true,
                    rules: Vec::new(),
                };
                let key = (place.family, own::name(*place));
                now.own.chains.insert(key, chain);
            }
            Step::WriteOwn(place, rule) => {
                let key = (place.family, own::name(*place));
                let chain = now.own.chains.get_mut(&key).expect("the chain");
                chain.rules.push(Some(rule.text.clone()));
            }
            Step::RemoveOwnTable(family) => {
                now.own.tables.remove(family);
                now.own.chains.retain(|(f, _), _| f != family);
            }
            Step::MakeFarewell | Step::RemoveFarewell => {}
        }
    }
    for chain in &mut now.chains {
        let rules = now.rules.iter().filter(|r| r.place == chain.place).count();
        chain.uses = u32::try_from(rules).unwrap();
    }
    now
}

#[test]
fn every_rule_survives_encoding() {
    let mut rules = all_rules();
    rules.push((
        Family::Ip4,
        Rule {
            // No whole bytes: a mask.
            source: Some(Match::is(Network {
                address: [172, 16, 0, 0].into(),
                prefix: 12,
            })),
            destination: Some(Match::is_not(Network {
                address: [0, 0, 0, 0].into(),
                prefix: 0,
            })),
            states: Some(Match::is(States(0x1c1))),
            ..Rule::all(Verdict::Accept)
        },
    ));
    for (family, rule) in rules {
        assert_eq!(decode(family, &encode(&rule).expressions), Some(rule));
    }
}

/// `--dport` as iptables 1.8.9 and 1.8.11 write it: two bytes of the header, compared.
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
fn a_port_is_read_in_either_encoding_but_not_in_both_at_once() {
    let mut seen = 0;
    for (family, rule) in all_rules() {
        let Some(port) = rule.tcp_port else { continue };
        let bytes = encode(&rule).expressions;
        let (mut native, mut both) = (Writer::new(), Writer::new());
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
fn no_rule_is_read_from_bytes_that_are_cut_or_foreign() {
    for (family, rule) in all_rules() {
        let bytes = encode(&rule).expressions;
        for end in 0..bytes.len() {
            // Cut between two expressions it is a rule without a verdict.
            assert_eq!(decode(family, &bytes[..end]), None, "{end} of {rule}");
        }
        // An expression that nobody knows, before or behind.
        let foreign = [12, 0, 1, 0, 8, 0, 1, 0, b'x', b'y', b'z', 0];
        assert_eq!(decode(family, &[&foreign[..], &bytes].concat()), None);
        assert_eq!(decode(family, &[&bytes[..], &foreign].concat()), None);
        // The same rule twice in one.
        assert_eq!(decode(family, &[&bytes[..], &bytes].concat()), None);
    }
}

#[test]
fn no_bytes_make_the_readers_panic() {
    // xorshift64: the same bytes at every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let below = |n: u64, limit: usize| usize::try_from(n % limit as u64).unwrap();
    let messages = batch::messages(1, &plan::apply(&Snapshot::default(), &wanted()).unwrap());
    let rules = all_rules();
    for _ in 0..20_000 {
        let (family, rule) = &rules[below(random(), rules.len())];
        let mut bytes = encode(rule).expressions;
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
            snapshot::table(&mut read, &body),
            snapshot::chain(&mut read, &body),
            snapshot::rule(&mut read, PLACES[0].0, &body),
        );
    }
}

#[test]
fn once_is_enough_and_undo_takes_back_everything() {
    let empty = Snapshot::default();
    let steps = plan::apply(&empty, &wanted()).unwrap();
    let made = |step: &&Step| matches!(step, Step::MakeTable(..));
    assert_eq!(steps.iter().filter(made).count(), 3);
    let full = after(empty.clone(), &steps);
    assert_eq!(plan::apply(&full, &wanted()).unwrap(), []);
    let undone = after(full.clone(), &plan::undo(&full, &DEFAULTS));
    assert_eq!(undone, empty);
    assert_eq!(plan::undo(&undone, &DEFAULTS), []);
}

#[test]
fn without_the_mark_only_what_the_reference_would_have_written_goes() {
    let empty = Snapshot::default();
    let bridge = Interface::new("br-ecs").unwrap();
    let ours = RuleSet::new(&DEFAULTS, Some(&bridge), true);
    let mut now = after(empty.clone(), &plan::apply(&empty, &ours).unwrap());
    let names_the_bridge = |r: &RuleState| {
        r.rule
            .as_ref()
            .is_some_and(|rule| rule.interface == Some(Match::is(bridge.clone())))
    };
    for rule in &mut now.rules {
        rule.marked = false;
    }
    let left = after(now.clone(), &plan::undo(&now, &DEFAULTS));
    assert_eq!(left.rules.len(), 2);
    assert!(left.rules.iter().all(names_the_bridge));
    // One marked rule is enough to know what the bridge was called.
    now.rules
        .iter_mut()
        .find(|r| names_the_bridge(r))
        .unwrap()
        .marked = true;
    let left = after(now.clone(), &plan::undo(&now, &DEFAULTS));
    assert_eq!(left.rules, []);
}

#[test]
fn a_table_or_chain_that_somebody_else_uses_stays() {
    let empty = Snapshot::default();
    let full = after(empty.clone(), &plan::apply(&empty, &wanted()).unwrap());
    let (place, _) = PLACES[0];
    let removes = |now: &Snapshot| {
        let steps = plan::undo(now, &DEFAULTS);
        (
            steps.contains(&Step::RemoveChain(place)),
            steps.contains(&Step::RemoveTable(Family::Ip4, Table::Filter)),
        )
    };
    assert_eq!(removes(&full), (true, true));
    let mut foreign_rule = full.clone();
    foreign_rule.chains[0].uses += 1;
    assert_eq!(removes(&foreign_rule), (false, false));
    let mut policy = full.clone();
    policy.chains[0].accepts = false;
    assert_eq!(removes(&policy), (false, false));
    let mut foreign_chain = full.clone();
    foreign_chain.tables[0].uses += 1;
    assert_eq!(removes(&foreign_chain), (true, false));
    let mut found = full;
    found.chains[0].ours = false;
    assert_eq!(removes(&found), (false, false));
}

#[test]
fn a_chain_by_our_name_that_is_another_is_an_error() {
    let empty = Snapshot::default();
    let steps = plan::apply(&empty, &wanted()).unwrap();
    let mut now = after(empty, &steps);
    now.rules.clear();
    now.chains[0].hook = None;
    let error = plan::apply(&now, &wanted()).unwrap_err().to_string();
    assert!(error.contains("no base chain"), "{error}");
}
