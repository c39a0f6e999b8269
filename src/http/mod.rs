//! HTTP leaving the program: the TLS connector, the name resolver, and the client for the outside,
//! all of which a signal can interrupt.

pub mod failure;
pub mod proxy;
pub mod resolve;
pub mod tls;
pub mod url;
pub mod web;
