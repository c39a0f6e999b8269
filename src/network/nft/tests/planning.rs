//! Planning of steps, against a model of the kernel.

use super::super::decode::decode;
use super::super::dedicated_table::{self, DedicatedTables};
use super::super::snapshot::{ChainState, RuleState, Snapshot, TableState};
use super::super::step::Step;
use super::super::{plan, userdata};
use super::{DEFAULTS, default_rules, rules_with};
use crate::config::NetworkConfig;
use crate::network::chain::{Family, Table};
use crate::network::rule::Match;
use crate::network::rules::{CHAINS, INPUT, Position};
use crate::types::Interface;

/// The state after `steps`, as the kernel would report it.
fn after(mut now: Snapshot, steps: &[Step]) -> Snapshot {
    let table_of = |family: Family, name: &str| {
        let chains = CHAINS.iter().flat_map(|(c, _)| [*c, c.dedicated()]);
        let mut tables = chains.map(|c| (c.family, c.table));
        tables.find(|(f, t)| *f == family && t.name() == name)
    };
    for (handle, step) in (1000..).zip(steps) {
        match step {
            Step::AddTable(family, name) => {
                let table = table_of(*family, name);
                now.tables.extend(table.map(|(family, table)| TableState {
                    family,
                    table,
                    uses: 0,
                    marked: true,
                }));
            }
            Step::AddChain(id) => now.chains.push(ChainState {
                id: *id,
                hook: Some(id.hook()),
                chain_type: id.chain_type().into(),
                policy_accepts: true,
                uses: 0,
                marked: true,
            }),
            Step::AddRule(chain, position, rule) => {
                let decoded = decode(chain.family, &rule.expressions);
                let state = RuleState {
                    chain: *chain,
                    handle,
                    rule: decoded.filter(|_| chain.table != Table::Dedicated),
                    text: userdata::text(&rule.userdata).map(str::to_owned),
                    marked: userdata::has_mark(&rule.userdata),
                    rejects_all: false,
                };
                match position {
                    Position::Head => now.rules.insert(0, state),
                    Position::Tail => now.rules.push(state),
                }
            }
            Step::DeleteRule(_, handle) => now.rules.retain(|r| r.handle != *handle),
            Step::DeleteChain(id) => now.chains.retain(|c| c.id != *id),
            Step::DeleteTable(family, name) => {
                let kept = |f: Family, table: Table| f != *family || table.name() != *name;
                now.tables.retain(|t| kept(t.family, t.table));
                now.chains.retain(|c| kept(c.id.family, c.id.table));
                now.rules.retain(|r| kept(r.chain.family, r.chain.table));
            }
        }
    }
    let count = |n: usize| u32::try_from(n).unwrap();
    for chain in &mut now.chains {
        chain.uses = count(now.rules.iter().filter(|r| r.chain == chain.id).count());
    }
    for table in &mut now.tables {
        let in_table = |c: &&ChainState| (c.id.family, c.id.table) == (table.family, table.table);
        table.uses = count(now.chains.iter().filter(in_table).count());
    }
    now
}

#[test]
fn apply_is_idempotent_and_undo_restores_the_state() {
    let empty = Snapshot::default();
    let steps = plan::apply_steps(&empty, &default_rules()).unwrap();
    let added = |step: &&Step| matches!(step, Step::AddTable(..));
    assert_eq!(steps.iter().filter(added).count(), 3);
    let full = after(empty.clone(), &steps);
    assert_eq!(plan::apply_steps(&full, &default_rules()).unwrap(), []);
    let undone = after(full.clone(), &plan::undo_steps(&full, &DEFAULTS));
    assert_eq!(undone, empty);
    assert_eq!(plan::undo_steps(&undone, &DEFAULTS), []);
}

#[test]
fn dedicated_tables_are_idempotent_replaced_if_changed_and_removed() {
    let config = NetworkConfig {
        block_imds: true,
        ..DEFAULTS
    };
    let tables = DedicatedTables::new(&rules_with(config, Interface::docker0()));
    let empty = Snapshot::default();
    let full = after(empty.clone(), &tables.apply_steps(&empty));
    assert_eq!(full.rules.len(), tables.len());
    assert_eq!(tables.apply_steps(&full), []);
    let mut changed = vec![full.clone(); 5];
    changed[0].rules[0].text = None;
    changed[1].rules.remove(0);
    changed[2].chains[0].policy_accepts = false;
    changed[3].foreign_chain = true;
    changed[4].tables.clear();
    for changed in changed {
        assert_ne!(tables.apply_steps(&changed), []);
    }
    assert_eq!(
        after(full.clone(), &dedicated_table::undo_steps(&full)),
        empty
    );
}

#[test]
fn undo_without_marks_removes_only_rules_of_the_reference() {
    let empty = Snapshot::default();
    let bridge = Interface::new("br-ecs").unwrap();
    let desired = rules_with(DEFAULTS, bridge.clone());
    let mut now = after(empty.clone(), &plan::apply_steps(&empty, &desired).unwrap());
    let names_the_bridge = |r: &RuleState| {
        r.rule
            .as_ref()
            .is_some_and(|rule| rule.interface == Some(Match::is(bridge.clone())))
    };
    for rule in &mut now.rules {
        rule.marked = false;
    }
    let left = after(now.clone(), &plan::undo_steps(&now, &DEFAULTS));
    assert_eq!(left.rules.len(), 2);
    assert!(left.rules.iter().all(names_the_bridge));
    // One marked rule tells the name of the bridge.
    now.rules
        .iter_mut()
        .find(|r| names_the_bridge(r))
        .unwrap()
        .marked = true;
    let left = after(now.clone(), &plan::undo_steps(&now, &DEFAULTS));
    assert_eq!(left.rules, []);
}

#[test]
fn undo_keeps_tables_and_chains_that_are_in_use() {
    let empty = Snapshot::default();
    let full = after(
        empty.clone(),
        &plan::apply_steps(&empty, &default_rules()).unwrap(),
    );
    let removes = |now: &Snapshot| {
        let steps = plan::undo_steps(now, &DEFAULTS);
        (
            steps.contains(&Step::DeleteChain(INPUT)),
            steps.contains(&Step::DeleteTable(Family::Ip4, "filter")),
        )
    };
    assert_eq!(removes(&full), (true, true));
    let mut foreign_rule = full.clone();
    foreign_rule.chains[0].uses += 1;
    assert_eq!(removes(&foreign_rule), (false, false));
    let mut policy = full.clone();
    policy.chains[0].policy_accepts = false;
    assert_eq!(removes(&policy), (false, false));
    let mut foreign_chain = full.clone();
    foreign_chain.tables[0].uses += 1;
    assert_eq!(removes(&foreign_chain), (true, false));
    let mut found = full;
    found.chains[0].marked = false;
    assert_eq!(removes(&found), (false, false));
}

#[test]
fn chain_that_is_not_a_base_chain_is_an_error() {
    let empty = Snapshot::default();
    let steps = plan::apply_steps(&empty, &default_rules()).unwrap();
    let mut now = after(empty, &steps);
    now.rules.clear();
    now.chains[0].hook = None;
    let error = plan::apply_steps(&now, &default_rules())
        .unwrap_err()
        .to_string();
    assert!(error.contains("not a base chain"), "{error}");
}
