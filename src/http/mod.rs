//! HTTP/1.1, spoken by `ureq` over transports of our own: every wait on a socket is a wait for
//! the order to stop as well, so that a SIGTERM never has to sit out a time-out.
//!
//! | module | what it is |
//! |---|---|
//! | [`transport`] | Unix and TCP streams under `ureq` |
//! | [`tls`] | TLS over them |
//! | [`resolve`] | names to addresses |
//! | [`proxy`] | whether and through which proxy (pure) |
//! | [`url`] | what we need to know of a URL (pure) |
//! | [`failure`] | what kind of failure it was (pure) |
//! | [`web`] | the client for all that is not Docker |

pub mod failure;
pub mod proxy;
pub mod resolve;
pub mod tls;
pub mod transport;
pub mod url;
pub mod web;
