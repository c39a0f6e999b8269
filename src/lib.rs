//! # ecs-init
//!
//! One static binary that fetches, verifies, runs and supervises the Amazon ECS agent on a host that
//! has a kernel and a Docker socket. `main.rs` parses the command line, reads the configuration,
//! runs one command and turns its result into an exit code; everything else is in this library.
//!
//! ## How a value travels
//!
//! ```text
//! Config ─▶ UnverifiedTar ─▶ Verified ─▶ loaded image ─▶ firewall rules ─▶ container ─▶ Outcome
//! config    fetch, cache     verify      image, docker   network           agent        supervise
//! ```
//!
//! Each arrow is a type that only the previous step can create: code that loads an unverified tar
//! does not compile. An agent from a registry skips the first steps: dockerd pulls it, and its
//! digest takes the place of the signature. [`command`] passes the values on, so each command's
//! file reads from top to bottom as what the program does. [`bake`] runs the steps up to `Verified`
//! on a build machine and writes the result into an image's root tree.
//!
//! ## Layers
//!
//! One line for each layer, the highest first. A module uses modules of lower layers, or of its own
//! layer if no circle results; never of a higher one. `make lint` checks this block against the code.
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
//! | [`cli`] | arguments to a command, help texts; no I/O |
//! | [`command`] | one file for each command: the order of its steps |
//! | [`bake`] | changes to an image's root tree, all or none; the service for each init; `bake --check` |
//! | [`startup`] | the final configuration before the first step; a check for another instance's agent state |
//! | [`supervise`] | the loop around the agent's container, the restart policy (pure), the lock |
//! | [`agent_image`] | the agent's image in Docker, from a tar or from a registry |
//! | [`agent`] | configuration and host to the container to create (pure) |
//! | [`cache`] | `/var/cache/ecs`: the verified tar, its signature, partial downloads, `desired-image` |
//! | [`image`] | image archives and manifests, image references, `docker load` of a verified tar |
//! | [`fetch`] | URLs, downloads with resume and retry, IMDS, AWS credentials, configuration from S3 |
//! | [`verify`] | OpenPGP: a tar and its signature to [`verify::Verified`] |
//! | [`docker`] | the Engine API: the calls in use and their JSON |
//! | [`network`] | firewall rules, sysctls and the route: desired state (pure), nf_tables encoding, apply, undo |
//! | [`host`] | facts of this host: OS, cgroups, AppArmor, GPUs, directories |
//! | [`http`] | transports under `ureq` (Unix, TCP, TLS, proxies) that a signal interrupts |
//! | [`config`] | files and environment to one immutable [`config::Config`] with the origin of each value |
//! | [`types`] | small types that several modules share |
//! | [`error`] | the one [`error::Error`], its kinds, the exit codes |
//! | [`logging`] | logfmt on stderr or `/dev/kmsg` |
//! | [`utc`] | RFC 3339 times |
//! | [`sys`] | system calls: netlink, signals, locks, files; the only `unsafe` code |
//! | [`testing`] | temporary directories for tests |
//!
//! Decisions are pure functions from data to data, tested without root, Docker or a clock. Effects
//! are in few places and are tested against the real kernel and a real dockerd.

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
