//! One static binary that fetches, verifies, runs and supervises the Amazon ECS agent on a host
//! that has a kernel and a Docker socket. `main.rs` parses the command line, reads the
//! configuration, runs one command and turns its result into an exit code; everything else is in
//! this library.
//!
//! ## How a value travels
//!
//! ```text
//! Config ─▶ UnverifiedTar ─▶ Verified ─▶ loaded image ─▶ firewall rules ─▶ container ─▶ Outcome
//! config    fetch, cache     verify      image, docker   network           agent        supervise
//! ```
//!
//! Each of these is a type that only the previous step can create: code that loads an unverified
//! tar does not compile. An agent from a registry skips the first steps: dockerd pulls the image,
//! and its digest takes the place of the signature. [`command`] passes the values on, so each
//! command's file reads from top to bottom as what the program does. [`bake`] runs the steps up to
//! `Verified` on a build machine and writes the result into an image's root tree.
//!
//! Decisions are pure functions from data to data, tested without root, Docker or a clock. Effects
//! are in few places and are tested against the real kernel and a real dockerd.
//!
//! ## Layers
//!
//! One line for each layer, the highest first. A module uses modules of lower layers, or of its own
//! layer if no cycle results; never of a higher one. `make modules` checks this block against the
//! code.
//!
//! ```layers
//! cli
//! command
//! bake startup supervise
//! agent_image agent
//! cache
//! image fetch
//! verify docker network host
//! http
//! config
//! types fs retry
//! error logging utc sys testing
//! ```
//!
//! ## Modules
//!
//! | module | contents |
//! |---|---|
//! | [`cli`] | arguments to a command; help texts |
//! | [`command`] | one file for each command: the order of its steps |
//! | [`bake`] | changes to an image's root tree, all or none; the service for each init; `bake --check` |
//! | [`startup`] | before the first step: the final configuration, the check for another instance's state |
//! | [`supervise`] | the loop around the agent's container, the restart policy, the lock |
//! | [`agent_image`] | the agent's image in Docker, from a tar or from a registry |
//! | [`agent`] | configuration and host to the container to create |
//! | [`cache`] | `/var/cache/ecs`: the verified tar, its signature, its state |
//! | [`image`] | the check of an image archive, the loading of a verified one, images from a registry |
//! | [`fetch`] | downloads with resume, the instance metadata service, the configuration from S3 |
//! | [`verify`] | OpenPGP: a tar and its signature to [`verify::Verified`] |
//! | [`docker`] | a client of the Docker Engine |
//! | [`network`] | firewall rules, kernel settings and the route: apply, restore, undo |
//! | [`host`] | the properties of the host; directories, GPUs, AppArmor |
//! | [`http`] | an HTTP client whose waits end on SIGTERM and SIGINT; proxies, TLS |
//! | [`config`] | files and environment to one immutable [`config::Config`]; the table of variables |
//! | [`types`] | validated values that several modules share |
//! | [`fs`] | temporary files, atomic writes, SHA-256, INI |
//! | [`retry`] | the one retry policy |
//! | [`error`] | the one error type, its kinds, the exit codes |
//! | [`logging`] | logfmt on stderr or `/dev/kmsg` |
//! | [`utc`] | RFC 3339 times |
//! | [`sys`] | system calls; the only `unsafe` code |
//! | [`testing`] | temporary directories for tests |

// The documentation is built with private items, for people who work on the program.
#![allow(rustdoc::private_intra_doc_links)]

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
pub mod fs;
pub mod host;
mod http;
pub mod image;
pub mod logging;
pub mod network;
pub mod retry;
mod startup;
pub mod supervise;
#[allow(unsafe_code)]
pub mod sys;
#[doc(hidden)]
pub mod testing;
pub mod types;
mod utc;
pub mod verify;
