//! One static binary that fetches, verifies, runs and supervises the Amazon ECS agent on a host
//! that has a kernel and a Docker socket. `main.rs` parses the command line, reads the
//! configuration, runs one command and turns its result into an exit code; everything else is in
//! this library.
//!
//! ## Data flow
//!
//! ```text
//! Config ─▶ UnverifiedTar ─▶ Verified ─▶ loaded image ─▶ firewall rules ─▶ container ─▶ Outcome
//! config    fetch, cache     verify      image, docker   network           agent        supervise
//! ```
//!
//! Each of these is a type that only the previous step can create: code that loads an unverified
//! tar does not compile. With a registry as the source, dockerd pulls the image, and its digest
//! replaces the signature. The files in [`command`] call these steps in order. [`bake`] runs the
//! steps up to `Verified` on a build machine and writes the result into an image's root tree.
//!
//! Decisions are pure functions, tested without root, Docker or a clock. The few modules with
//! effects are tested against the real kernel and a real dockerd.
//!
//! ## Layers
//!
//! One line for each layer, the highest first. A module may use modules of lower layers, and of
//! its own layer without forming a cycle. `make modules` checks the code against this block.
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
//! | [`cli`] | parses arguments into a command; help texts |
//! | [`command`] | one file for each command: the order of its steps |
//! | [`bake`] | changes an image's root tree atomically; a service for each init; `bake --check` |
//! | [`startup`] | waits for the final configuration; detects the state of another instance |
//! | [`supervise`] | the loop around the agent's container, the restart policy, the lock |
//! | [`agent_image`] | the agent's image in Docker, from a tar or from a registry |
//! | [`agent`] | decides the agent's container from the configuration and the host |
//! | [`cache`] | `/var/cache/ecs`: the verified tar, its signature, its state |
//! | [`image`] | checks and loads an image archive; finds and tags a pulled image |
//! | [`fetch`] | downloads with resume, the instance metadata service, the configuration from S3 |
//! | [`verify`] | verifies the OpenPGP signature of a tar; returns [`verify::Verified`] |
//! | [`docker`] | a client of the Docker Engine |
//! | [`network`] | firewall rules, kernel settings and the route: apply, restore, undo |
//! | [`host`] | the properties of the host; directories, GPUs, AppArmor |
//! | [`http`] | an HTTP client that SIGTERM and SIGINT interrupt; proxies, TLS |
//! | [`config`] | reads files and environment into [`config::Config`]; the table of variables |
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
