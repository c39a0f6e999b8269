//! Safe wrappers around system calls: the only `unsafe` code of the program. No policy.

mod errno;
pub(crate) mod fd;
pub(crate) mod file;
pub(crate) mod lock;
pub mod netlink;
pub mod random;
pub(crate) mod resolve;
pub mod signal;
pub(crate) mod socket;
