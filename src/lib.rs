//! # The map
//!
//! **ecs-init** takes a host with a kernel and a Docker socket to a running, supervised, verified
//! Amazon ECS agent. A value goes one way through the house:
//!
//! ```text
//! Config ─▶ UnverifiedTar ─▶ Verified ─▶ Loaded ─▶ rules in place ─▶ container ─▶ Outcome
//! config    acquire     verify      image     network           agent         supervise
//! ```
//!
//! Each arrow is a type that only the step before can make: code that loads an unverified tar does
//! not compile. From a registry, an [`image::registry::Order`] with its digest, or the user's
//! permission, stands for the first three. A stage knows the type that it is handed and nothing
//! else of the stage before it; [`command`] hands the values on, so that a verb's file, read from
//! top to bottom, is what the program does. [`bake`] goes the first two steps on a build machine, and
//! puts what was verified into an image's tree.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | arguments to a command; the help. No I/O |
//! | [`config`] | files and environment to one immutable [`config::Config`]; every value knows where it came from |
//! | [`error`] | one [`error::Error`]: what was being done, why it failed, which exit code |
//! | [`command`] | one file a verb: nothing but the order of the steps |
//! | [`acquire`] | which tar, from where: the cache, a file, a mirror, S3; the region; IMDS; credentials and the configuration that lies in S3 |
//! | [`verify`] | an acquired tar and its signature become [`verify::Verified`]; nobody else can make one |
//! | [`image`] | a verified archive becomes an image in Docker; or what dockerd pulls by a digest does |
//! | [`docker`] | the calls of the Engine API that we use, and the JSON we need of them; a registry's credentials |
//! | [`network`] | the rules (pure), their nf_tables encoding, apply and undo; sysctls; the route |
//! | [`host`] | what this host is; read once |
//! | [`agent`] | pure: configuration and host to the container to create |
//! | [`supervise`] | the loop around the container, the pure policy that says what comes next, the lock of the one supervisor |
//! | [`bake`] | what an image's root tree is given, all or nothing; the service for each init; the check of a tree |
//! | [`interface`] | a network interface's name |
//! | [`root`] | the directory that stands for `/` |
//! | [`http`] | the transports under `ureq`: unix, TCP, TLS, each of which a signal can interrupt |
//! | [`logging`] | the reference's logfmt, on stderr or `/dev/kmsg` |
//! | [`utc`] | a moment in words |
//! | [`sys`] | the only `unsafe` and the only libc: netlink, signals, files |
//!
//! Decisions are pure functions from data to data, tested without root, Docker or a clock; effects
//! are at the edges, each in one place, tested against the real thing.

pub mod agent;
mod agent_image;
pub mod bake;
pub mod cache;
pub mod cli;
pub mod command;
pub mod config;
pub mod docker;
pub mod error;
pub mod fetch;
pub mod host;
pub mod http;
pub mod image;
pub mod logging;
pub mod network;
mod startup;
pub mod supervise;
#[allow(unsafe_code)]
pub mod sys;
#[doc(hidden)]
pub mod testing;
pub mod types;
pub mod utc;
pub mod verify;
