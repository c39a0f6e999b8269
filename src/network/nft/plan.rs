//! The steps that change the kernel's state to the desired rules, in the tables of iptables-nft.
//! Pure.

use super::iptables_encoding;
use super::snapshot::{ChainState, RuleState, Snapshot};
use super::step::Step;
use crate::config::NetworkConfig;
use crate::error::{Error, Result};
use crate::network::chain::{ChainId, Table};
use crate::network::rules::{CHAINS, PlacedRule, Position, RuleInputs, RuleSet};
use crate::types::Interface;

/// The steps that change `current` to `desired`, in order; empty if nothing has to be changed.
///
/// A chain is not changed if it has each desired rule once, in order, with the mark, and no other
/// rule of this program. Otherwise all rules of this program in it are deleted and written again.
///
/// # Errors
/// A chain has the name of a chain of iptables, but not its hook, type and priority: packets would
/// not reach rules in it.
pub(crate) fn apply_steps(current: &Snapshot, desired: &RuleSet) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (id, _) in CHAINS {
        let chain = current.chain(id);
        let mut missing = Vec::new();
        if desired.of_chain(id).next().is_some() {
            chain.map(check_base_chain).transpose()?;
            let table = Step::AddTable(id.family, id.table.name());
            // Two chains can need the same table.
            if current.table(id.family, id.table).is_none() && !steps.contains(&table) {
                missing.push(table);
            }
            if chain.is_none() {
                missing.push(Step::AddChain(id));
            }
        }
        let existing: Vec<_> = current
            .rules_of(id)
            .filter(|r| r.marked || is_in(desired, r))
            .collect();
        let unchanged = existing.iter().all(|r| r.marked)
            && existing
                .iter()
                .map(|r| r.rule.as_ref())
                .eq(desired.of_chain(id).map(|placed| Some(&placed.rule)));
        if unchanged {
            continue;
        }
        steps.extend(missing);
        steps.extend(existing.into_iter().map(|r| Step::DeleteRule(id, r.handle)));
        // Each insertion at the head precedes the previous one: insert in reverse order.
        let at = |position| desired.of_chain(id).filter(move |p| p.position == position);
        steps.extend(at(Position::Head).rev().map(add_rule));
        steps.extend(at(Position::Tail).map(add_rule));
    }
    Ok(steps)
}

fn add_rule(placed: &PlacedRule) -> Step {
    let rule = iptables_encoding::encode(&placed.rule);
    Step::AddRule(placed.chain, placed.position, rule)
}

/// The steps that remove this program's rules, and the tables and chains that it created unless
/// another program uses them.
///
/// Every rule with the mark is removed. A rule without the mark is removed if it is one that
/// amazon-ecs-init writes for `config` and the bridge docker0 or a bridge of a marked rule.
pub(crate) fn undo_steps(current: &Snapshot, config: &NetworkConfig) -> Vec<Step> {
    let docker0 = Interface::docker0();
    let possible: Vec<_> = current
        .bridges()
        .chain([&docker0])
        .map(|bridge| {
            RuleSet::new(&RuleInputs {
                config: config.clone(),
                bridge: Some(bridge.clone()),
                ipv6: true,
                closed_input: true,
            })
        })
        .collect();
    let mut steps = Vec::new();
    let mut emptied: Vec<ChainId> = Vec::new();
    for (id, _) in CHAINS {
        let rules: Vec<_> = current
            .rules_of(id)
            .filter(|r| r.marked || possible.iter().any(|set| is_in(set, r)))
            .collect();
        let becomes_empty = current.chain(id).is_some_and(|c| {
            c.marked && c.policy_accepts && usize::try_from(c.uses) == Ok(rules.len())
        });
        emptied.extend(becomes_empty.then_some(id));
        steps.extend(rules.into_iter().map(|r| Step::DeleteRule(id, r.handle)));
    }
    steps.extend(emptied.iter().map(|id| Step::DeleteChain(*id)));
    for table in &current.tables {
        let of_table = |id: &&ChainId| (id.family, id.table) == (table.family, table.table);
        let becomes_empty =
            usize::try_from(table.uses) == Ok(emptied.iter().filter(of_table).count());
        if table.marked && table.table != Table::Dedicated && becomes_empty {
            steps.push(Step::DeleteTable(table.family, table.table.name()));
        }
    }
    steps
}

/// Whether `set` has this rule in the same chain.
fn is_in(set: &RuleSet, rule: &RuleState) -> bool {
    let mut of_chain = set.of_chain(rule.chain);
    of_chain.any(|placed| rule.rule.as_ref() == Some(&placed.rule))
}

/// Checks that a chain is the base chain that iptables creates.
fn check_base_chain(chain: &ChainState) -> Result<()> {
    let id = chain.id;
    let expected = id.hook();
    if chain.hook == Some(expected) && chain.chain_type == id.chain_type() {
        return Ok(());
    }
    let is = match chain.hook {
        None => "not a base chain".to_owned(),
        Some(hook) => format!(
            "of type {}, hook {}, priority {}",
            chain.chain_type, hook.number, hook.priority
        ),
    };
    Err(Error::invalid(format!(
        "the chain {id} is {is}, but iptables creates it of type {}, hook {}, priority {}: \
             rename or delete it (nft list chain {id})",
        id.chain_type(),
        expected.number,
        expected.priority,
    )))
}
