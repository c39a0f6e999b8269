//! The packet filter's rules in the kernel, through `nf_tables`, in the tables and chains of
//! iptables-nft and in its encoding.
//!
//! Or, in the other variant, in tables of our own ([`own`], [`native`]).
//!
//! [`encode`] and [`decode`] are rules to bytes and back, [`plan`] says what is to be done, all of
//! them pure; [`kernel`] reads the kernel's state and sends the batch.

mod abi;
pub mod batch;
pub mod compat;
pub mod decode;
pub mod encode;
pub mod kernel;
pub mod mark;
pub mod native;
pub mod news;
pub mod own;
pub mod plan;
pub mod snapshot;
mod xtables;

#[cfg(test)]
mod tests;

pub use abi::Hook;
