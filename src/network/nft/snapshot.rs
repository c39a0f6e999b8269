//! The kernel's tables, chains and rules at one generation. Only those of iptables-nft in which
//! this program can have rules, and the dedicated tables.

use super::abi;
use super::{decode, userdata};
use crate::network::chain::{Chain, ChainId, Family, Hook, Table};
use crate::network::netlink::attr::Attributes;
use crate::network::rule::Rule;
use crate::network::rules::{CHAINS, INPUT, bridge_of};
use crate::types::Interface;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableState {
    pub family: Family,
    pub table: Table,
    /// The number of chains, sets and other objects in it.
    pub uses: u32,
    /// Whether this program created it.
    pub marked: bool,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainState {
    pub id: ChainId,
    /// `None` for a chain that is not a base chain.
    pub hook: Option<Hook>,
    /// `filter`, `nat` or `route`; empty for a chain that is not a base chain.
    pub chain_type: String,
    /// Whether its policy is accept.
    pub policy_accepts: bool,
    /// The number of rules in it.
    pub uses: u32,
    /// Whether this program created it.
    pub marked: bool,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleState {
    pub chain: ChainId,
    pub handle: u64,
    /// The decoded rule, in a table of iptables.
    pub rule: Option<Rule>,
    /// The text in its user data, in the dedicated table.
    pub text: Option<String>,
    /// Whether this program wrote it.
    pub marked: bool,
    /// Whether it drops or rejects every packet.
    pub rejects_all: bool,
}

/// The state of the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The generation ID of the ruleset.
    pub generation: u32,
    pub(crate) tables: Vec<TableState>,
    pub(crate) chains: Vec<ChainState>,
    /// The rules of one chain are in the order in which the kernel evaluates them.
    pub(crate) rules: Vec<RuleState>,
    /// Whether a dedicated table has a chain that this program does not use.
    pub(crate) foreign_chain: bool,
    /// The base chains with hook input and policy drop, in any table, as nft prints them: `inet
    /// filter input`.
    pub(crate) dropping_inputs: Vec<String>,
}

impl Snapshot {
    /// A table, if it exists.
    pub(crate) fn table(&self, family: Family, table: Table) -> Option<&TableState> {
        let matches = |t: &&TableState| (t.family, t.table) == (family, table);
        self.tables.iter().find(matches)
    }

    /// The families that have the dedicated table.
    pub(crate) fn dedicated_families(&self) -> impl Iterator<Item = Family> {
        let exists = |family: &Family| self.table(*family, Table::Dedicated).is_some();
        Family::ALL.into_iter().filter(exists)
    }

    /// A chain, if it exists.
    pub(crate) fn chain(&self, id: ChainId) -> Option<&ChainState> {
        self.chains.iter().find(|c| c.id == id)
    }

    /// The rules of one chain, in order.
    pub(crate) fn rules_of(&self, chain: ChainId) -> impl Iterator<Item = &RuleState> {
        self.rules.iter().filter(move |r| r.chain == chain)
    }

    /// Whether iptables' INPUT drops or rejects what no rule accepts, by its policy or its last
    /// rule.
    pub(crate) fn input_is_closed(&self) -> bool {
        self.chain(INPUT).is_some_and(|c| !c.policy_accepts)
            || self.rules_of(INPUT).last().is_some_and(|r| r.rejects_all)
    }

    /// Whether the kernel has rules or tables that this program wrote.
    pub(crate) fn has_marked(&self) -> bool {
        self.dedicated_families().next().is_some() || self.rules.iter().any(|r| r.marked)
    }

    /// The bridges of marked rules: names that the default bridge had when they were written.
    pub(crate) fn bridges(&self) -> impl Iterator<Item = &Interface> {
        self.rules
            .iter()
            .filter(|r| r.marked)
            .filter_map(|r| bridge_of(r.rule.as_ref()?))
    }

    /// Adds the table of an `NFT_MSG_NEWTABLE` if this program uses that table; `None` if the body
    /// is malformed.
    pub(super) fn add_table(&mut self, body: &[u8]) -> Option<()> {
        let (family, attributes) = abi::split(body)?;
        if let Some((family, table)) = known_table(family, attributes.text(abi::TABLE_NAME)) {
            self.tables.push(TableState {
                family,
                table,
                uses: attributes.be32(abi::TABLE_USE)?,
                marked: is_marked(&attributes, abi::TABLE_USERDATA),
            });
        }
        Some(())
    }

    /// Adds the chain of an `NFT_MSG_NEWCHAIN`, like [`Snapshot::add_table`].
    pub(super) fn add_chain(&mut self, body: &[u8]) -> Option<()> {
        let (family, attributes) = abi::split(body)?;
        let table = attributes.text(abi::CHAIN_TABLE);
        let name = attributes.text(abi::CHAIN_NAME);
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
        let policy = attributes.be32(abi::CHAIN_POLICY);
        let is_input = hook.is_some_and(|h| h.number == Chain::Input.hook_number());
        if is_input && policy == Some(abi::DROP) {
            self.dropping_inputs.extend(nft_name(family, table, name));
        }
        let Some(id) = known_chain(family, table, name) else {
            let dedicated = known_table(family, table).is_some_and(|(_, t)| t == Table::Dedicated);
            self.foreign_chain |= dedicated;
            return Some(());
        };
        self.chains.push(ChainState {
            id,
            hook,
            chain_type: attributes
                .text(abi::CHAIN_TYPE)
                .unwrap_or_default()
                .to_owned(),
            policy_accepts: policy == Some(abi::ACCEPT),
            uses: attributes.be32(abi::CHAIN_USE)?,
            marked: is_marked(&attributes, abi::CHAIN_USERDATA),
        });
        Some(())
    }

    /// Adds the rule of an `NFT_MSG_NEWRULE` if it is in `chain`, like [`Snapshot::add_table`].
    pub(super) fn add_rule(&mut self, chain: ChainId, body: &[u8]) -> Option<()> {
        let (family, attributes) = abi::split(body)?;
        let (table, name) = (abi::RULE_TABLE, abi::RULE_CHAIN);
        let found = known_chain(family, attributes.text(table), attributes.text(name));
        if found != Some(chain) {
            return Some(());
        }
        let expressions = attributes.get(abi::RULE_EXPRESSIONS).unwrap_or_default();
        let text = attributes.get(abi::RULE_USERDATA).and_then(userdata::text);
        let rule = match chain.table {
            Table::Dedicated => None,
            _ => decode::decode(chain.family, expressions),
        };
        self.rules.push(RuleState {
            chain,
            handle: attributes.be64(abi::RULE_HANDLE)?,
            rule,
            text: text.map(str::to_owned),
            marked: is_marked(&attributes, abi::RULE_USERDATA),
            rejects_all: decode::rejects_all(expressions),
        });
        Some(())
    }
}

fn is_marked(attributes: &Attributes, userdata: u16) -> bool {
    attributes.get(userdata).is_some_and(userdata::has_mark)
}

/// The chains in which this program can have rules.
pub(super) fn known_chains() -> impl Iterator<Item = ChainId> {
    let chains = CHAINS.into_iter().map(|(chain, _)| chain);
    chains.flat_map(|chain| [chain, chain.dedicated()])
}

fn known_table(family: u8, name: Option<&str>) -> Option<(Family, Table)> {
    let chain = known_chains()
        .find(|c| abi::family_number(c.family) == family && Some(c.table.name()) == name)?;
    Some((chain.family, chain.table))
}

fn known_chain(family: u8, table: Option<&str>, name: Option<&str>) -> Option<ChainId> {
    known_chains().find(|c| {
        abi::family_number(c.family) == family
            && Some(c.table.name()) == table
            && Some(c.name()) == name
    })
}

/// A chain as nft prints it; `None` for a family without IP packets.
fn nft_name(family: u8, table: Option<&str>, chain: Option<&str>) -> Option<String> {
    let family = match family {
        abi::FAMILY_INET => "inet",
        abi::FAMILY_IP4 => "ip",
        abi::FAMILY_IP6 => "ip6",
        _ => return None,
    };
    Some(format!("{family} {} {}", table?, chain?))
}
