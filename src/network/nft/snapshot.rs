//! What is in the kernel at one moment, as far as it concerns us.

use super::super::netlink::attr::Attributes;
use super::super::rule::{Family, Place, Rule, Table};
use super::super::rules::{self, PLACES};
use super::abi::{self, Hook};
use super::{decode, mark};
use crate::interface::Interface;

/// A table of iptables' that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableState {
    /// Its family.
    pub family: Family,
    /// Which it is.
    pub table: Table,
    /// How many chains, sets and other objects it has.
    pub uses: u32,
    /// Whether we made it.
    pub ours: bool,
}

/// A chain with the name of one of [`PLACES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainState {
    /// Where it is.
    pub place: Place,
    /// Its hook; `None` for a chain that only jumps lead to.
    pub hook: Option<Hook>,
    /// Its type: `filter`, `nat`, `route`; empty without a hook.
    pub kind: String,
    /// Whether it lets packets pass that no rule decides.
    pub accepts: bool,
    /// How many rules it has.
    pub uses: u32,
    /// Whether we made it.
    pub ours: bool,
}

/// A rule in such a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleState {
    /// Where it is.
    pub place: Place,
    /// The kernel's number for it.
    pub handle: u64,
    /// What it means, if we understand it.
    pub rule: Option<Rule>,
    /// Whether it carries our mark.
    pub marked: bool,
}

/// All of it. Rules are in the order in which packets meet them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The generation of the kernel's rules that this is of.
    pub generation: u32,
    /// Tables.
    pub tables: Vec<TableState>,
    /// Chains.
    pub chains: Vec<ChainState>,
    /// Rules.
    pub rules: Vec<RuleState>,
}

impl Snapshot {
    /// A table, if it is there.
    #[must_use]
    pub fn table(&self, family: Family, table: Table) -> Option<&TableState> {
        self.tables
            .iter()
            .find(|t| t.family == family && t.table == table)
    }

    /// A chain, if it is there.
    #[must_use]
    pub fn chain(&self, place: Place) -> Option<&ChainState> {
        self.chains.iter().find(|c| c.place == place)
    }

    /// The rules of one chain, in order.
    pub fn rules_at(&self, place: Place) -> impl Iterator<Item = &RuleState> {
        self.rules.iter().filter(move |r| r.place == place)
    }

    /// The bridges that marked rules name: what the default bridge was called when we wrote them.
    pub fn bridges(&self) -> impl Iterator<Item = &Interface> {
        self.rules
            .iter()
            .filter(|r| r.marked)
            .filter_map(|r| rules::bridge_of(r.rule.as_ref()?))
    }
}

/// Adds the table of an `NFT_MSG_NEWTABLE`, if it concerns us; `None` if the body is malformed.
pub(super) fn table(to: &mut Snapshot, body: &[u8]) -> Option<()> {
    let (family, attributes) = abi::split(body)?;
    let attributes = Attributes::read(attributes)?;
    let name = attributes.text(abi::TABLE_NAME);
    let known = PLACES
        .into_iter()
        .map(|(place, _)| place)
        .find(|p| p.family.number() == family && Some(p.table.name()) == name);
    let Some(Place { family, table, .. }) = known else {
        return Some(());
    };
    to.tables.push(TableState {
        family,
        table,
        uses: attributes.be32(abi::TABLE_USE)?,
        ours: attributes.get(abi::TABLE_USERDATA).is_some_and(mark::is_in),
    });
    Some(())
}

/// Adds the chain of an `NFT_MSG_NEWCHAIN`, as [`table`] does.
pub(super) fn chain(to: &mut Snapshot, body: &[u8]) -> Option<()> {
    let (family, attributes) = abi::split(body)?;
    let attributes = Attributes::read(attributes)?;
    let Some(place) = place(
        family,
        attributes.text(abi::CHAIN_TABLE),
        attributes.text(abi::CHAIN_NAME),
    ) else {
        return Some(());
    };
    let hook = match attributes.get(abi::CHAIN_HOOK) {
        None => None,
        Some(hook) => {
            let hook = Attributes::read(hook)?;
            Some(Hook {
                number: hook.be32(abi::HOOK_NUMBER)?,
                priority: hook.be32(abi::HOOK_PRIORITY)?.cast_signed(),
            })
        }
    };
    to.chains.push(ChainState {
        place,
        hook,
        kind: attributes
            .text(abi::CHAIN_TYPE)
            .unwrap_or_default()
            .to_owned(),
        accepts: attributes.be32(abi::CHAIN_POLICY) == Some(abi::ACCEPT),
        uses: attributes.be32(abi::CHAIN_USE)?,
        ours: attributes.get(abi::CHAIN_USERDATA).is_some_and(mark::is_in),
    });
    Some(())
}

/// Adds the rule of an `NFT_MSG_NEWRULE`, if it is of this chain, as [`table`] does.
pub(super) fn rule(to: &mut Snapshot, of: Place, body: &[u8]) -> Option<()> {
    let (family, attributes) = abi::split(body)?;
    let attributes = Attributes::read(attributes)?;
    let is_there = place(
        family,
        attributes.text(abi::RULE_TABLE),
        attributes.text(abi::RULE_CHAIN),
    );
    if is_there != Some(of) {
        return Some(());
    }
    let expressions = attributes.get(abi::RULE_EXPRESSIONS).unwrap_or_default();
    to.rules.push(RuleState {
        place: of,
        handle: attributes.be64(abi::RULE_HANDLE)?,
        rule: decode::decode(of.family, expressions),
        marked: attributes.get(abi::RULE_USERDATA).is_some_and(mark::is_in),
    });
    Some(())
}

fn place(family: u8, table: Option<&str>, chain: Option<&str>) -> Option<Place> {
    PLACES.into_iter().map(|(place, _)| place).find(|p| {
        p.family.number() == family
            && Some(p.table.name()) == table
            && Some(p.chain.name()) == chain
    })
}
