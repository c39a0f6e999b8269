//! What is to be done: a pure function of what is there and what is wanted.

use std::fmt;

use super::super::rule::{Family, Place, Rule, Table};
use super::super::rules::{PLACES, Position, RuleSet, Wanted};
use super::native::Native;
use super::own;
use super::snapshot::{ChainState, RuleState, Snapshot};
use crate::config::NetworkConfig;
use crate::error::{Error, Kind, Result};
use crate::types::Interface;

/// One message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a table.
    MakeTable(Family, Table),
    /// Make a built-in chain.
    MakeChain(Place),
    /// Take out the rule with this handle.
    TakeOut(Place, u64),
    /// Write a rule before all others of its chain, or behind them.
    Write(Place, Position, Rule),
    /// Take away a chain that is empty by now.
    RemoveChain(Place),
    /// Take away a table that is empty by now.
    RemoveTable(Family, Table),
    /// Make the table of our own.
    MakeOwnTable(Family),
    /// Make a chain in it.
    MakeOwnChain(Place),
    /// Write a rule into that chain, behind all others.
    WriteOwn(Place, Native),
    /// Take away the table of our own, with all that is in it.
    RemoveOwnTable(Family),
    /// The first half of saying to whom it concerns that our rules are gone for good: see
    /// [`own::FAREWELL`].
    MakeFarewell,
    /// The second half.
    RemoveFarewell,
}

/// As it reads in "the kernel refused to ...".
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::MakeTable(family, table) => write!(f, "make the table {family} {}", table.name()),
            Step::MakeChain(place) => write!(f, "make the chain {place}"),
            Step::TakeOut(place, handle) => write!(f, "take rule {handle} out of {place}"),
            Step::Write(place, _, rule) => write!(f, "write into {place} the rule{rule}"),
            Step::RemoveChain(place) => write!(f, "remove the chain {place}"),
            Step::RemoveTable(family, table) => {
                write!(f, "remove the table {family} {}", table.name())
            }
            Step::MakeOwnTable(family) => write!(f, "make the table {family} {}", own::TABLE),
            Step::MakeOwnChain(place) => {
                let name = own::name(*place);
                write!(f, "make the chain {} {} {name}", place.family, own::TABLE)
            }
            Step::WriteOwn(place, rule) => {
                let (name, rule) = (own::name(*place), &rule.text);
                write!(
                    f,
                    "write into {} {} {name} the rule {rule}",
                    place.family,
                    own::TABLE
                )
            }
            Step::RemoveOwnTable(family) => write!(f, "remove the table {family} {}", own::TABLE),
            Step::MakeFarewell => write!(f, "make the table ip {}", own::FAREWELL),
            Step::RemoveFarewell => write!(f, "remove the table ip {}", own::FAREWELL),
        }
    }
}

/// What leads from what there is to `wanted`, in order. Nothing, if it is there.
///
/// A chain's rules are in place if ours are there once each, in the right order among themselves,
/// with our mark, and none of ours that is not wanted any more. Otherwise all of ours are taken out
/// and written anew.
///
/// # Errors
/// A chain by the name that we need is not the one that iptables makes: rules in it would not be
/// met by the packets that they are for.
pub fn apply(now: &Snapshot, wanted: &RuleSet) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (place, _) in PLACES {
        let chain = now.chain(place);
        let mut missing = Vec::new();
        if wanted.at(place).next().is_some() {
            chain.map(check).transpose()?;
            let table = Step::MakeTable(place.family, place.table);
            // Two chains may need the same table.
            if now.table(place.family, place.table).is_none() && !steps.contains(&table) {
                missing.push(table);
            }
            if chain.is_none() {
                missing.push(Step::MakeChain(place));
            }
        }
        let there: Vec<_> = now
            .rules_at(place)
            .filter(|r| r.marked || is_one_of(r, place, wanted))
            .collect();
        let in_place = there.iter().all(|r| r.marked)
            && there
                .iter()
                .map(|r| r.rule.as_ref())
                .eq(wanted.at(place).map(|w| Some(&w.rule)));
        if in_place {
            continue;
        }
        steps.extend(missing);
        steps.extend(there.into_iter().map(|r| Step::TakeOut(place, r.handle)));
        // Each rule for the head goes before those that went there earlier: the last one first.
        let at = |position| wanted.at(place).filter(move |w| w.position == position);
        steps.extend(at(Position::Head).rev().map(write));
        steps.extend(at(Position::Tail).map(write));
    }
    Ok(steps)
}

fn write(wanted: &Wanted) -> Step {
    Step::Write(wanted.place, wanted.position, wanted.rule.clone())
}

/// What takes our rules out again, and the tables and chains that we made, as far as nobody else
/// uses them by now.
///
/// Rules with our mark are ours whatever they say. Without it, ours are those that the reference
/// would have written: by `config`, for Docker's usual bridge or one that a marked rule names.
#[must_use]
pub fn undo(now: &Snapshot, config: &NetworkConfig) -> Vec<Step> {
    let docker0 = Interface::docker0();
    let possible: Vec<_> = now
        .bridges()
        .chain([&docker0])
        .map(|bridge| RuleSet::new(config, Some(bridge), true).past_a_closed_input())
        .collect();
    let mut rules = Vec::new();
    let mut chains = Vec::new();
    let mut tables = Vec::new();
    for (place, _) in PLACES {
        let ours: Vec<_> = now
            .rules_at(place)
            .filter(|r| r.marked || possible.iter().any(|set| is_one_of(r, place, set)))
            .collect();
        let emptied = now
            .chain(place)
            .filter(|c| c.ours && c.accepts && usize::try_from(c.uses) == Ok(ours.len()));
        chains.extend(emptied.map(|_| place));
        rules.extend(ours.into_iter().map(|r| Step::TakeOut(place, r.handle)));
    }
    for table in now.tables.iter().filter(|t| t.ours) {
        let emptied = chains
            .iter()
            .filter(|c| c.family == table.family && c.table == table.table)
            .count();
        if usize::try_from(table.uses) == Ok(emptied) {
            tables.push(Step::RemoveTable(table.family, table.table));
        }
    }
    rules.extend(chains.into_iter().map(Step::RemoveChain));
    rules.extend(tables);
    rules
}

/// Whether a rule says what one of `set` says for its chain.
fn is_one_of(rule: &RuleState, place: Place, set: &RuleSet) -> bool {
    set.at(place).any(|w| rule.rule.as_ref() == Some(&w.rule))
}

/// Whether a chain that is there is the one that iptables would have made.
fn check(chain: &ChainState) -> Result<()> {
    let place = chain.place;
    if chain.hook == Some(place.hook()) && chain.kind == place.kind() {
        return Ok(());
    }
    let is = match chain.hook {
        None => "no base chain, so no packet comes to it".to_owned(),
        Some(hook) => format!(
            "of type {}, hook {}, priority {}",
            chain.kind, hook.number, hook.priority
        ),
    };
    let should = place.hook();
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "the chain {place} is {is}; iptables' own is of type {}, hook {}, priority {}: \
         rename or remove it (nft list chain {place})",
            place.kind(),
            should.number,
            should.priority,
        ),
    ))
}
