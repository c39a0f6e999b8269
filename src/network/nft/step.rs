//! One change of the kernel's tables, chains or rules.

use std::fmt;

use crate::network::chain::{ChainId, Family};
use crate::network::rules::Position;

/// A table that one batch creates and deletes, so that it never exists afterwards. The notification
/// of its creation informs a [`Guard`](crate::network::Guard) that rules are removed intentionally.
pub(crate) const TEARDOWN_MARKER: &str = "ecs-init-teardown";

/// A rule as it is sent to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedRule {
    /// The rule as text: in nft syntax in the dedicated table, otherwise as in `iptables-save`.
    pub(crate) text: String,
    /// The value of `NFTA_RULE_EXPRESSIONS`.
    pub(crate) expressions: Vec<u8>,
    /// The value of `NFTA_RULE_COMPAT_PROTO`, for the xtables extensions of the rule: the IP
    /// protocol or 0 for any. `None` in a rule that cannot have extensions.
    pub(crate) compat_protocol: Option<u8>,
    /// The value of `NFTA_RULE_USERDATA`.
    pub(crate) userdata: Vec<u8>,
}

/// One message of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create a table of this name.
    AddTable(Family, &'static str),
    /// Create a base chain with the policy accept.
    AddChain(ChainId),
    /// Insert a rule.
    AddRule(ChainId, Position, EncodedRule),
    /// Delete the rule with this handle.
    DeleteRule(ChainId, u64),
    /// Delete an empty chain.
    DeleteChain(ChainId),
    /// Delete a table with its content.
    DeleteTable(Family, &'static str),
}

/// In the style of nft commands.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::AddTable(family, name) => write!(f, "add table {family} {name}"),
            Step::AddChain(chain) => write!(f, "add chain {chain}"),
            Step::AddRule(chain, _, rule) => write!(f, "add rule {chain} {}", rule.text),
            Step::DeleteRule(chain, handle) => write!(f, "delete rule {chain} handle {handle}"),
            Step::DeleteChain(chain) => write!(f, "delete chain {chain}"),
            Step::DeleteTable(family, name) => write!(f, "delete table {family} {name}"),
        }
    }
}
