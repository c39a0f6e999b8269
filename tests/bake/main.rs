//! `bake` on real trees: the installed files, the tree after a failure, and the configuration that a
//! host booted from the tree reads.

#[path = "../fetch/server.rs"]
#[allow(dead_code)]
mod server;

mod configuration;
mod conflicts;
mod failures;
mod fixture;
mod installed;
mod links;
mod program;
mod rebake;
#[path = "../fetch/signing.rs"]
mod signing;
mod sources;
mod stale_service;
mod volatile_paths;
