//! Netlink in three layers: attributes ([`attr`]) and messages ([`message`]) are pure bytes to
//! values and back; [`talk`] has the conversation with the kernel.
//!
//! Sources: netlink(7), `linux/netlink.h`.

pub mod attr;
pub mod message;
pub mod talk;
