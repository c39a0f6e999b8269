//! Netlink in three layers: attributes ([`attr`]) and messages ([`message`]) convert between bytes
//! and values (pure); [`connection`] exchanges messages with the kernel.
//!
//! Sources: netlink(7), `linux/netlink.h`.

pub mod attr;
pub(crate) mod bytes;
pub mod connection;
pub mod message;
