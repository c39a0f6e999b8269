//! The rules that a host must have, for one firewall. Pure.

use super::chain::Family;
use super::nft::dedicated_table::{self, DedicatedTables};
use super::nft::plan;
use super::nft::snapshot::Snapshot;
use super::nft::step::{Step, TEARDOWN_MARKER};
use super::rules::{INPUT, RuleInputs, RuleSet};
use crate::config::{Firewall, NetworkConfig};
use crate::error::Result;

/// The desired state of the packet filter.
#[derive(Debug, Clone)]
pub struct DesiredState {
    /// Which tables the rules are in.
    pub firewall: Firewall,
    /// What determines the rules, except `closed_input`, which depends on the kernel's state.
    pub inputs: RuleInputs,
}

impl DesiredState {
    /// The steps that change the kernel's state to this one; empty if nothing has to be changed.
    /// They remove the rules for the other firewall.
    ///
    /// # Errors
    /// A chain that is needed exists, but is not the base chain that iptables creates.
    pub fn steps(&self, current: &Snapshot) -> Result<Vec<Step>> {
        let mut steps;
        match self.firewall {
            Firewall::Iptables => {
                steps = dedicated_table::undo_steps(current);
                steps.extend(plan::apply_steps(current, &self.iptables_rules(current))?);
            }
            Firewall::Nftables => {
                steps = plan::undo_steps(current, &self.inputs.config);
                steps.extend(self.dedicated_tables().apply_steps(current));
            }
        }
        Ok(steps)
    }

    /// The number of rules after the steps.
    pub(crate) fn rule_count(&self, current: &Snapshot) -> usize {
        match self.firewall {
            Firewall::Iptables => self.iptables_rules(current).len(),
            Firewall::Nftables => self.dedicated_tables().len(),
        }
    }

    /// The rules as text: for iptables as `iptables-save` prints them, for nftables as a script for
    /// `nft -f`.
    pub(crate) fn render(&self, current: &Snapshot) -> String {
        match self.firewall {
            Firewall::Nftables => self.dedicated_tables().to_string(),
            Firewall::Iptables => {
                let rules = self.iptables_rules(current);
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

    /// Base chains that drop requests of tasks for their credentials unless an administrator adds a
    /// rule to them: no other base chain can overrule the drop.
    pub fn blocking_chains<'a>(&self, current: &'a Snapshot) -> Vec<&'a str> {
        // iptables' INPUT gets an accept rule. IPv6 chains do not matter: credentials are IPv4
        // only.
        let has_accept = match self.firewall {
            Firewall::Iptables => Some(INPUT.to_string()),
            Firewall::Nftables => None,
        };
        let ipv4 = current
            .dropping_inputs
            .iter()
            .filter(|c| !c.starts_with("ip6 "));
        ipv4.filter(|c| has_accept.as_ref() != Some(c))
            .map(String::as_str)
            .collect()
    }

    fn iptables_rules(&self, current: &Snapshot) -> RuleSet {
        RuleSet::new(&RuleInputs {
            closed_input: current.input_is_closed(),
            ..self.inputs.clone()
        })
    }

    fn dedicated_tables(&self) -> DedicatedTables {
        DedicatedTables::new(&RuleSet::new(&self.inputs))
    }
}

/// The steps that remove the rules for either firewall and notify guards that this is on purpose.
pub(crate) fn undo_steps(current: &Snapshot, config: &NetworkConfig) -> Vec<Step> {
    let mut steps = plan::undo_steps(current, config);
    steps.extend(dedicated_table::undo_steps(current));
    steps.extend([
        Step::AddTable(Family::Ip4, TEARDOWN_MARKER),
        Step::DeleteTable(Family::Ip4, TEARDOWN_MARKER),
    ]);
    steps
}
