//! HTTP/1.1, spoken by `ureq` over transports of our own: every wait on a socket is a wait for
//! the order to stop as well, so that a SIGTERM never has to sit out a time-out.
//!
//! | module | what it is |
//! |---|---|
//! | [`transport`] | Unix and TCP streams under `ureq` |

pub mod transport;
