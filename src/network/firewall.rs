//! Which variant of the rules a host gets, and how they are to be in its kernel.

use std::fmt;
use std::fs;

use super::nft::own::{self, OwnTables};
use super::nft::plan::{self, Step};
use super::nft::snapshot::Snapshot;
use super::rule::Family;
use super::rules::{INPUT, RuleSet};
use crate::config::{Firewall, NetworkConfig};
use crate::error::Result;
use crate::types::Root;

/// A variant, and why it is that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The variant.
    pub variant: Firewall,
    why: String,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.variant, self.why)
    }
}

impl Choice {
    /// By the setting. `missing` tells what the kernel lacks for iptables' encoding; it is asked
    /// for `auto` only.
    ///
    /// # Errors
    /// `missing`'s.
    pub fn new(
        setting: Option<Firewall>,
        missing: impl FnOnce() -> Result<Option<&'static str>>,
    ) -> Result<Choice> {
        let chosen = |variant, why: &str| Choice {
            variant,
            why: why.to_owned(),
        };
        Ok(match setting {
            Some(firewall) => chosen(firewall, "as ECS_INIT_FIREWALL says"),
            None => match missing()? {
                None => chosen(Firewall::Iptables, "auto: the kernel has nft_compat"),
                Some(module) => chosen(
                    Firewall::Nftables,
                    &format!("auto: the kernel has no {module}, which iptables' rules need"),
                ),
            },
        })
    }
}

/// The rules that a host is to have, and in which variant.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The variant.
    pub variant: Firewall,
    /// The rules, but for what only the kernel's present rules tell.
    pub rules: RuleSet,
    /// By what they were made.
    pub config: NetworkConfig,
}

impl Wanted {
    /// What leads from what there is to these rules; what the other variant left goes.
    ///
    /// # Errors
    /// See [`plan::apply`].
    pub fn steps(&self, now: &Snapshot) -> Result<Vec<Step>> {
        let mut steps;
        match self.variant {
            Firewall::Iptables => {
                steps = own::undo(&now.own);
                steps.extend(plan::apply(now, &self.beside(now))?);
            }
            Firewall::Nftables => {
                steps = plan::undo(now, &self.config);
                steps.extend(self.own().apply(&now.own));
            }
        }
        Ok(steps)
    }

    /// How many rules there are in the end.
    #[must_use]
    pub fn len(&self, now: &Snapshot) -> usize {
        match self.variant {
            Firewall::Iptables => self.beside(now).len(),
            Firewall::Nftables => self.own().len(),
        }
    }

    /// The rules in words: for iptables as `iptables-save` prints them, else as `nft -f` reads them.
    #[must_use]
    pub fn in_words(&self, now: &Snapshot) -> String {
        match self.variant {
            Firewall::Nftables => self.own().to_string(),
            Firewall::Iptables => {
                let rules = self.beside(now);
                let mut text = String::new();
                for (family, tool) in [(Family::Ip4, "iptables"), (Family::Ip6, "ip6tables")] {
                    let saved = rules.saved(family).to_string();
                    if !saved.is_empty() {
                        text.extend(["# ", tool, "\n", &saved]);
                    }
                }
                text
            }
        }
    }

    /// Base chains of others that keep tasks from the agent unless they have a rule for it: what
    /// one base chain accepts, another one may still drop.
    #[must_use]
    pub fn in_the_way<'a>(&self, now: &'a Snapshot) -> Vec<&'a str> {
        let (input, _) = INPUT;
        // Into this one we write an ACCEPT. What IPv6's does is no matter: credentials are IPv4's.
        let seen_to = match self.variant {
            Firewall::Iptables => Some(input.to_string()),
            Firewall::Nftables => None,
        };
        let closed = now.closed_inputs.iter().filter(|c| !c.starts_with("ip6 "));
        closed
            .filter(|c| seen_to.as_ref() != Some(c))
            .map(String::as_str)
            .collect()
    }

    fn beside(&self, now: &Snapshot) -> RuleSet {
        let rules = self.rules.clone();
        if now.input_is_closed() {
            rules.past_a_closed_input()
        } else {
            rules
        }
    }

    fn own(&self) -> OwnTables {
        OwnTables::new(&self.rules)
    }
}

/// What takes the rules out, in whichever variant they are, and tells those who guard them.
#[must_use]
pub fn undo(now: &Snapshot, config: &NetworkConfig) -> Vec<Step> {
    let mut steps = plan::undo(now, config);
    steps.extend(own::undo(&now.own));
    steps.extend([Step::MakeFarewell, Step::RemoveFarewell]);
    steps
}

/// The tables of iptables-legacy that are in use: the older interface to the kernel, beside
/// `nf_tables`.
#[must_use]
pub fn legacy_tables(root: &Root) -> Vec<String> {
    ["ip", "ip6"]
        .into_iter()
        .flat_map(|family| {
            let file = root.at(format!("/proc/net/{family}_tables_names"));
            // Without the file there is no such interface.
            let tables = fs::read_to_string(file).unwrap_or_default();
            let named = |table: &str| format!("{family} {table}");
            tables.lines().map(named).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use crate::testing::TempDir;

    #[test]
    fn auto_is_iptables_wherever_the_kernel_can_and_says_why_it_is_not() {
        let said = |setting, missing| Choice::new(setting, || Ok(missing)).unwrap().to_string();
        assert_eq!(
            said(None, None),
            "iptables (auto: the kernel has nft_compat)"
        );
        let without = said(None, Some("xt_nat"));
        assert!(without.starts_with("nftables (auto: the kernel has no xt_nat"));
        // Who has decided is obeyed, and the kernel is not asked.
        let unasked = || Err(Error::new(Kind::InvalidInput, "asked"));
        for variant in [Firewall::Iptables, Firewall::Nftables] {
            let choice = Choice::new(Some(variant), unasked).unwrap();
            assert_eq!(choice.variant, variant);
        }
        assert!(Choice::new(None, unasked).is_err());
    }

    #[test]
    fn legacy_tables_are_named_with_their_family() {
        let dir = TempDir::new("legacy");
        let root = Root::new(dir.path());
        assert_eq!(legacy_tables(&root), [""; 0]);
        fs::create_dir_all(root.at("/proc/net")).unwrap();
        fs::write(root.at("/proc/net/ip6_tables_names"), "filter\n").unwrap();
        assert_eq!(legacy_tables(&root), ["ip6 filter"]);
        fs::write(root.at("/proc/net/ip_tables_names"), "nat\nfilter\n").unwrap();
        assert_eq!(legacy_tables(&root), ["ip nat", "ip filter", "ip6 filter"]);
    }
}
