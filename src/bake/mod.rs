//! `bake`: installs the verified agent, this program, its service and its configuration into an
//! image's root tree.
//!
//! A list of changes describes the desired content of the tree. The plan has those changes that are
//! still needed. They are written under temporary names (staged), then renamed (committed). If a
//! step fails, the undo log restores the tree. [`check`] reports what must not be in an image.

mod agent;
mod binary;
mod change;
pub mod check;
mod conflicts;
mod ecs_config;
mod image_config;
mod init;
mod install;
mod keyring;
mod lines;
mod manifest;
pub mod options;
mod plan;
mod stage;
mod stale_service;
mod tar;
mod tree;
mod undo_log;
mod volatile_paths;

pub use init::Init;
pub use install::{Baked, run};
pub use options::Options;

use change::{Change, Want};

/// The cached tar and its signature.
const CACHE: &str = crate::cache::DIRECTORY;
/// The image's own configuration, the manifest, and on a host the agent's state.
const STATE: &str = "/var/lib/ecs";
/// The user's configuration.
const ETC: &str = "/etc/ecs";
