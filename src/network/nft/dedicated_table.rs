//! The dedicated tables `ip ecs-init` and `ip6 ecs-init`, for kernels without `nft_compat` and
//! hosts without iptables. This program owns their whole content, so it replaces and deletes them
//! as a whole. Pure.
//!
//! A packet traverses every base chain of a hook. A drop in a chain here is final; a packet that is
//! accepted here can still be dropped by another chain.

use std::fmt;

use super::native_encoding;
use super::snapshot::Snapshot;
use super::step::{EncodedRule, Step};
use crate::network::chain::{ChainId, Family, Table};
use crate::network::rules::{CHAINS, Position, RuleSet};

/// The desired content of the dedicated tables. Its [`fmt::Display`] is a script for `nft -f`,
/// which can be run repeatedly.
#[derive(Debug, Clone)]
pub(crate) struct DedicatedTables {
    chains: Vec<(ChainId, Vec<EncodedRule>)>,
}

impl DedicatedTables {
    /// The tables with these rules.
    pub fn new(rules: &RuleSet) -> DedicatedTables {
        let chains = CHAINS.into_iter().map(|(chain, _)| {
            let rules = rules.of_chain(chain);
            let encoded = rules.flat_map(|placed| native_encoding::encode(&placed.rule));
            (chain.dedicated(), encoded.collect::<Vec<_>>())
        });
        DedicatedTables {
            chains: chains.filter(|(_, rules)| !rules.is_empty()).collect(),
        }
    }

    /// The number of rules.
    pub fn len(&self) -> usize {
        self.chains.iter().map(|(_, rules)| rules.len()).sum()
    }

    fn families(&self) -> impl Iterator<Item = Family> {
        let has_rules = |family: &Family| self.chains.iter().any(|(id, _)| id.family == *family);
        Family::ALL.into_iter().filter(has_rules)
    }

    /// Whether the kernel has exactly these tables.
    fn exist_in(&self, current: &Snapshot) -> bool {
        let dedicated = current
            .chains
            .iter()
            .filter(|c| c.id.table == Table::Dedicated);
        !current.foreign_chain
            && self.families().eq(current.dedicated_families())
            && dedicated.count() == self.chains.len()
            && self.chains.iter().all(|(id, rules)| {
                let texts = current.rules_of(*id).map(|r| r.text.as_deref());
                current.chain(*id).is_some_and(|c| {
                    (c.hook, &*c.chain_type, c.policy_accepts)
                        == (Some(id.hook()), id.chain_type(), true)
                }) && texts.eq(rules.iter().map(|r| Some(&*r.text)))
            })
    }

    /// The steps that create or replace these tables; empty if the kernel has them.
    pub fn apply_steps(&self, current: &Snapshot) -> Vec<Step> {
        if self.exist_in(current) {
            return Vec::new();
        }
        let mut steps = undo_steps(current);
        let name = Table::Dedicated.name();
        steps.extend(self.families().map(|family| Step::AddTable(family, name)));
        for (id, rules) in &self.chains {
            steps.push(Step::AddChain(*id));
            let add = |rule: &EncodedRule| Step::AddRule(*id, Position::Tail, rule.clone());
            steps.extend(rules.iter().map(add));
        }
        steps
    }
}

/// The steps that delete the dedicated tables.
pub(crate) fn undo_steps(current: &Snapshot) -> Vec<Step> {
    let families = current.dedicated_families();
    families
        .map(|family| Step::DeleteTable(family, Table::Dedicated.name()))
        .collect()
}

impl fmt::Display for DedicatedTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Table::Dedicated.name();
        for family in self.families() {
            // `delete` fails for a table that does not exist, so the first line creates it.
            writeln!(f, "table {family} {name}\ndelete table {family} {name}")?;
            writeln!(f, "table {family} {name} {{")?;
            for (id, rules) in self.chains.iter().filter(|(id, _)| id.family == family) {
                let (chain, hook) = (id.name(), id.hook());
                writeln!(f, "\tchain {chain} {{")?;
                writeln!(
                    f,
                    "\t\ttype {} hook {chain} priority {}; policy accept;",
                    id.chain_type(),
                    hook.priority
                )?;
                for rule in rules {
                    writeln!(f, "\t\t{}", rule.text)?;
                }
                writeln!(f, "\t}}")?;
            }
            writeln!(f, "}}")?;
        }
        Ok(())
    }
}
