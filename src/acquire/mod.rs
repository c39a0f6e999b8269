//! Which tar, from where.

pub mod acquired;

pub use acquired::{Acquired, Source};
