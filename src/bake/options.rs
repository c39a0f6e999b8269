//! The options of `bake`.

use std::path::PathBuf;

use super::Init;
use crate::types::{AgentVersion, Architecture};

/// What to install into a tree, and from where. Proxies, endpoints and permissions come from the
/// environment of the build: see [`crate::config::Config::from_environment`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The directory that will be the image's `/`.
    pub root: PathBuf,
    /// The image's architecture.
    pub architecture: Architecture,
    /// The agent's version; required for a download, optional for a file.
    pub version: Option<AgentVersion>,
    /// Where to get the agent's tar.
    pub agent: AgentLocation,
    /// What happens to `/etc/ecs/ecs.config`.
    pub ecs_config: EcsConfig,
    /// The init system; `None` to detect it in the tree.
    pub init: Option<Init>,
    /// This program for the image's architecture; `None` for the running one, or the one in its
    /// directory.
    pub binary: Option<PathBuf>,
    /// More trusted certificates, for this bake and for the image; else `ECS_INIT_KEYRING`.
    pub keyring: Option<PathBuf>,
    /// Whether to replace an `/etc/ecs/ecs.config` with other content.
    pub force: bool,
}

/// Where to get the agent's tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentLocation {
    /// Not installed: the first start of an instance downloads it.
    None,
    /// From the sources in the environment's variables, otherwise Amazon's buckets of its region.
    Environment,
    /// In Amazon's buckets, those of this region first.
    Region(String),
    /// Below this URL.
    Mirror(String),
    /// A file of this machine.
    File {
        /// The tar.
        tar: PathBuf,
        /// Its detached signature; `TAR.asc` if not given.
        signature: Option<PathBuf>,
    },
}

/// The content of `/etc/ecs/ecs.config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EcsConfig {
    /// The file is not changed; a missing one is created empty, as packages do.
    Keep,
    /// These lines, each one assignment in the file's syntax.
    Lines(Vec<String>),
    /// The content of this file.
    File(PathBuf),
}
