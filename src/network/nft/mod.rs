//! Rules in the kernel through `nf_tables`: in the tables and the encoding of iptables-nft, or in
//! dedicated tables and native expressions.
//!
//! | module | what it does |
//! |---|---|
//! | [`kernel`] | reads and changes the ruleset |
//! | `compat_probe` | finds out whether the kernel has `nft_compat` |
//! | `snapshot`, `step` | the state of the ruleset; one change of it |
//! | `plan`, `dedicated_table` | compute the steps to the desired rules (pure) |
//! | `batch`, [`event`] | encode steps as messages; decode notifications (pure) |
//! | `iptables_encoding`, `native_encoding` | encode a rule as expressions (pure) |
//! | `decode` | decodes the expressions of iptables-nft (pure) |
//! | `expressions`, `xtables`, `userdata`, `modules`, `abi` | parts of an encoded rule; constants |

mod abi;
mod batch;
pub(crate) mod compat_probe;
mod decode;
pub(crate) mod dedicated_table;
pub mod event;
mod expressions;
mod iptables_encoding;
pub mod kernel;
mod modules;
mod native_encoding;
pub(crate) mod plan;
pub(crate) mod snapshot;
pub(crate) mod step;
mod userdata;
mod xtables;

#[cfg(test)]
mod tests;
