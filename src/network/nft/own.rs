//! The tables of our own: `ip ecs-init` and `ip6 ecs-init`, for kernels without `nft_compat` and
//! hosts that keep iptables out. All that is in them is ours, so they are made, replaced and
//! removed whole.
//!
//! Their chains are base chains beside everybody else's. A packet passes all base chains of a hook,
//! in the order of their priorities: what ours drops is dropped, but what ours accepts another may
//! still drop. Nat is decided by the first chain that has an answer; ours come before dockerd's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::rule::{Family, Place, Table};
use super::super::rules::{PLACES, RuleSet};
use super::abi::Hook;
use super::native::{Native, natives};
use super::plan::Step;

/// The tables' name, in either family.
pub const TABLE: &str = "ecs-init";

/// A table that is made and removed in one batch, and so never is there. Whoever listens to the
/// kernel hears of it: a verb that takes our rules out says so by it to those who would put them
/// back.
pub const FAREWELL: &str = "ecs-init-farewell";

/// How far before iptables' chains (`dstnat`, -100) ours for nat are.
const BEFORE_IPTABLES: i32 = 10;

/// What is in tables of that name, or is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnState {
    /// The families that have the table.
    pub tables: BTreeSet<Family>,
    /// Their chains, by name.
    pub chains: BTreeMap<(Family, String), OwnChain>,
}

/// A chain of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnChain {
    /// What it hangs on.
    pub hook: Option<Hook>,
    /// Its type.
    pub kind: String,
    /// Whether it lets packets pass that no rule decides.
    pub accepts: bool,
    /// Its rules' words, in order; `None` for a rule that we did not write, or that was changed.
    pub rules: Vec<Option<String>>,
}

/// What is to be in our tables.
#[derive(Debug, Clone)]
pub struct OwnTables {
    chains: Vec<(Place, Vec<Native>)>,
}

impl OwnTables {
    /// The tables for these rules.
    #[must_use]
    pub fn new(rules: &RuleSet) -> OwnTables {
        let chains = PLACES.into_iter().map(|(place, _)| {
            let rules = rules.at(place).flat_map(|w| natives(&w.rule));
            (place, rules.collect::<Vec<_>>())
        });
        OwnTables {
            chains: chains.filter(|(_, rules)| !rules.is_empty()).collect(),
        }
    }

    /// How many rules they have.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chains.iter().map(|(_, rules)| rules.len()).sum()
    }

    /// Whether they have none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    fn families(&self) -> BTreeSet<Family> {
        self.chains.iter().map(|(place, _)| place.family).collect()
    }

    fn state(&self) -> OwnState {
        let chain = |(place, rules): &(Place, Vec<Native>)| {
            let chain = OwnChain {
                hook: Some(hook(*place)),
                kind: place.kind().to_owned(),
                accepts: true,
                rules: rules.iter().map(|r| Some(r.text.clone())).collect(),
            };
            ((place.family, name(*place)), chain)
        };
        OwnState {
            tables: self.families(),
            chains: self.chains.iter().map(chain).collect(),
        }
    }

    /// What leads from what there is to these tables; nothing, if they are there.
    #[must_use]
    pub fn apply(&self, now: &OwnState) -> Vec<Step> {
        if *now == self.state() {
            return Vec::new();
        }
        let mut steps = undo(now);
        steps.extend(self.families().into_iter().map(Step::MakeOwnTable));
        for (place, rules) in &self.chains {
            steps.push(Step::MakeOwnChain(*place));
            let write = |rule: &Native| Step::WriteOwn(*place, rule.clone());
            steps.extend(rules.iter().map(write));
        }
        steps
    }
}

/// What takes our tables away, with all that is in them.
#[must_use]
pub fn undo(now: &OwnState) -> Vec<Step> {
    let families = now.tables.iter().copied();
    families.map(Step::RemoveOwnTable).collect()
}

/// A chain's name: its hook's.
#[must_use]
pub fn name(place: Place) -> String {
    place.chain.name().to_lowercase()
}

/// What a chain hangs on.
#[must_use]
pub fn hook(place: Place) -> Hook {
    let iptables = place.hook();
    match place.table {
        Table::Nat => Hook {
            priority: iptables.priority - BEFORE_IPTABLES,
            ..iptables
        },
        Table::Filter | Table::Mangle => iptables,
    }
}

/// As `nft -f` reads it; it may be read again and again.
impl fmt::Display for OwnTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for family in self.families() {
            // The first line makes sure that there is something to delete.
            writeln!(f, "table {family} {TABLE}\ndelete table {family} {TABLE}")?;
            writeln!(f, "table {family} {TABLE} {{")?;
            for (place, rules) in self.chains.iter().filter(|(p, _)| p.family == family) {
                writeln!(f, "\tchain {} {{", name(*place))?;
                writeln!(
                    f,
                    "\t\ttype {} hook {} priority {}; policy accept;",
                    place.kind(),
                    name(*place),
                    hook(*place).priority
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
