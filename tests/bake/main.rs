//! `bake` on real trees: what lies in them afterwards, what a failure leaves, and what a host that
//! boots from one makes of it.

#[path = "../fetch/server.rs"]
#[allow(dead_code)]
mod server;

mod bench;
mod configuration;
mod failures;
mod filled;
mod hostile;
mod lasting;
mod program;
mod rivals;
#[path = "../fetch/signing.rs"]
mod signing;
mod sources;
mod superseded;
mod twice;
