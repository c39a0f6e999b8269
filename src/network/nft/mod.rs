//! Rules in the kernel through `nf_tables`: in the tables and the encoding of iptables-nft, or in
//! dedicated tables and native expressions.
//!
//! | module | what it does |
//! |---|---|
//! | [`kernel`], `compat_probe` | read and change the ruleset; ask what the kernel supports |
//! | `plan`, `dedicated_table` | from the state and the desired rules to steps (pure) |
//! | `snapshot`, `step` | the state; one change of it |
//! | `batch`, [`event`] | steps to messages; notifications (pure) |
//! | `iptables_encoding`, `native_encoding`, `decode` | rules to expressions and back (pure) |
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
