//! What is in the kernel at one moment, as far as it concerns us.

use super::super::netlink::attr::Attributes;
use super::super::rule::{Family, Place, Rule, Table};
use super::super::rules::{self, INPUT, PLACES};
use super::abi::{self, Hook};
use super::own::{self, OwnChain, OwnState};
use super::{decode, mark};
use crate::types::Interface;

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
    /// Whether it drops or rejects every packet.
    pub refuses: bool,
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
    /// What is in the tables of our own.
    pub own: OwnState,
    /// Base chains, whoever's, for packets to this host that drop what no rule of theirs accepts,
    /// as `nft` names them: `inet filter input`.
    pub closed_inputs: Vec<String>,
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

    /// Whether iptables' INPUT refuses what no rule of it accepts: by its policy, or by its last
    /// rule.
    #[must_use]
    pub fn input_is_closed(&self) -> bool {
        let (place, _) = INPUT;
        self.chain(place).is_some_and(|c| !c.accepts)
            || self.rules_at(place).last().is_some_and(|r| r.refuses)
    }

    /// Whether something of ours is there, in either variant.
    #[must_use]
    pub fn has_ours(&self) -> bool {
        !self.own.tables.is_empty() || self.rules.iter().any(|r| r.marked)
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
    if let Some(family) = own_family(family, name) {
        to.own.tables.insert(family);
    }
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
    let (table, name) = (
        attributes.text(abi::CHAIN_TABLE),
        attributes.text(abi::CHAIN_NAME),
    );
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
    let kind = attributes.text(abi::CHAIN_TYPE).unwrap_or_default();
    let policy = attributes.be32(abi::CHAIN_POLICY);
    if hook.is_some_and(|h| h.number == INPUT.0.hook().number) && policy == Some(abi::DROP) {
        to.closed_inputs.extend(full_name(family, table, name));
    }
    if let (Some(family), Some(name)) = (own_family(family, table), name) {
        let chain = OwnChain {
            hook,
            kind: kind.to_owned(),
            accepts: policy == Some(abi::ACCEPT),
            rules: Vec::new(),
        };
        to.own.chains.insert((family, name.to_owned()), chain);
    }
    let Some(place) = place(family, table, name) else {
        return Some(());
    };
    to.chains.push(ChainState {
        place,
        hook,
        kind: kind.to_owned(),
        accepts: policy == Some(abi::ACCEPT),
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
        refuses: decode::refuses_all(expressions),
    });
    Some(())
}

/// Adds the rule of an `NFT_MSG_NEWRULE`, if it is in our own table, as [`table`] does.
pub(super) fn own_rule(to: &mut Snapshot, body: &[u8]) -> Option<()> {
    let (family, attributes) = abi::split(body)?;
    let attributes = Attributes::read(attributes)?;
    let Some(family) = own_family(family, attributes.text(abi::RULE_TABLE)) else {
        return Some(());
    };
    let chain = attributes.text(abi::RULE_CHAIN)?.to_owned();
    let words = attributes.get(abi::RULE_USERDATA).and_then(mark::words);
    // A chain that came after we looked at them: the generation will tell.
    if let Some(chain) = to.own.chains.get_mut(&(family, chain)) {
        chain.rules.push(words.map(str::to_owned));
    }
    Some(())
}

/// The family of a table of our own.
fn own_family(family: u8, table: Option<&str>) -> Option<Family> {
    [Family::Ip4, Family::Ip6]
        .into_iter()
        .find(|f| f.number() == family && table == Some(own::TABLE))
}

/// A chain as `nft` names it, if its family has packets for a host.
fn full_name(family: u8, table: Option<&str>, chain: Option<&str>) -> Option<String> {
    let family = match family {
        abi::FAMILY_INET => "inet",
        abi::FAMILY_IP4 => "ip",
        abi::FAMILY_IP6 => "ip6",
        _ => return None,
    };
    Some(format!("{family} {} {}", table?, chain?))
}

fn place(family: u8, table: Option<&str>, chain: Option<&str>) -> Option<Place> {
    PLACES.into_iter().map(|(place, _)| place).find(|p| {
        p.family.number() == family
            && Some(p.table.name()) == table
            && Some(p.chain.name()) == chain
    })
}
