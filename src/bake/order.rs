//! What `bake` was told to do.

use std::path::PathBuf;

use super::Init;
use crate::types::AgentVersion;
use crate::types::Architecture;

/// What is to be put into a tree, and from where. The build's environment says the rest: proxies,
/// endpoints, permissions; see [`crate::config::Config::of_environment`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The tree: the directory that will be the image's `/`.
    pub root: PathBuf,
    /// What the image will run on.
    pub architecture: Architecture,
    /// Which agent; none only with a tar, which may say its version in its name or not at all.
    pub version: Option<AgentVersion>,
    /// Where the agent's tar is.
    pub whence: Whence,
    /// What becomes of `/etc/ecs/ecs.config`.
    pub settings: Settings,
    /// The init system; none to look for it in the tree.
    pub init: Option<Init>,
    /// This program for the image's architecture; none for the running one, or the one beside it.
    pub binary: Option<PathBuf>,
    /// Further certificates, for this verification and every later one; else `ECS_INIT_KEYRING`.
    pub keyring: Option<PathBuf>,
    /// Whether an `/etc/ecs/ecs.config` that differs is replaced.
    pub force: bool,
}

/// Where the agent's tar is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whence {
    /// Where the environment says, else Amazon's buckets in the region that is known there.
    Environment,
    /// Amazon's buckets, this region's first.
    Region(String),
    /// Below this URL.
    Mirror(String),
    /// On this machine; the signature is `TAR.asc` if none is named.
    Tar {
        /// The tar.
        tar: PathBuf,
        /// Its detached signature.
        signature: Option<PathBuf>,
    },
}

/// The text of `/etc/ecs/ecs.config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settings {
    /// What is there stays; if nothing is, an empty one is made, as packages do.
    Keep,
    /// These lines, each one assignment in the file's own syntax.
    Lines(Vec<String>),
    /// The content of this file.
    File(PathBuf),
}
