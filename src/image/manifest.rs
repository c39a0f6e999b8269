//! The docker-archive's JSON, read as leniently as Docker reads it.
//!
//! The agent's own image configuration has no `architecture` and its `config` key twice: a strict
//! structure would refuse the real one.

use serde::Deserialize;
use serde_json::Value;

use super::IMAGE;
use super::unfit::Reason;
use crate::types::Architecture;

/// The entry that makes a tar a docker-archive (Docker's image specification v1.2, "Combined
/// Image JSON + Filesystem Changeset Format").
pub(super) const MANIFEST: &str = "manifest.json";

/// One image of the manifest.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Image {
    /// The name of the entry with the image's configuration.
    #[serde(rename = "Config")]
    pub config: String,
    /// The tags that loading gives it; `null` where there are none.
    #[serde(rename = "RepoTags", default)]
    pub tags: Option<Vec<String>>,
    /// The names of the layers' entries, the lowest first.
    #[serde(rename = "Layers", default)]
    pub layers: Option<Vec<String>>,
}

impl Image {
    /// Whether loading it makes the agent's image. Docker takes the long form for the same.
    fn is_the_agent(&self) -> bool {
        self.tags.iter().flatten().any(|tag| {
            let tag = tag.strip_prefix("docker.io/").unwrap_or(tag);
            tag == IMAGE
        })
    }
}

/// The images of a manifest that are the agent: one, in all that Amazon ever made.
pub(super) fn agents(json: &[u8]) -> Result<Vec<Image>, Reason> {
    let images: Vec<Image> = serde_json::from_slice(json).map_err(|e| Reason::Malformed {
        entry: MANIFEST.to_owned(),
        why: format!("is not a docker-archive's manifest ({e})"),
    })?;
    let (agents, others): (Vec<_>, Vec<_>) = images.into_iter().partition(Image::is_the_agent);
    if agents.is_empty() {
        let tags = others.into_iter().filter_map(|image| image.tags).flatten();
        return Err(Reason::OtherTags(tags.collect()));
    }
    Ok(agents)
}

/// Checks an image's configuration, the entry `name`: an object, and for this architecture if it
/// says so.
pub(super) fn check_config(name: &str, json: &[u8], wanted: Architecture) -> Result<(), Reason> {
    let malformed = |why: String| Reason::Malformed {
        entry: name.to_owned(),
        why,
    };
    // `Value` takes the last of two equal keys, as Go does.
    let config: Value = serde_json::from_slice(json)
        .map_err(|e| malformed(format!("is not an image's configuration ({e})")))?;
    if !config.is_object() {
        return Err(malformed("is not an image's configuration".to_owned()));
    }
    match config.get("architecture") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(is)) if is.is_empty() || names(is, wanted) => Ok(()),
        Some(Value::String(is)) => Err(Reason::OtherArchitecture {
            is: is.clone(),
            wanted,
        }),
        Some(_) => Err(malformed(
            "has an architecture that is no string".to_owned(),
        )),
    }
}

/// Whether this is a name of the architecture: Go's (the OCI image specification) or the kernel's,
/// which some builders write.
fn names(name: &str, architecture: Architecture) -> bool {
    name == architecture.name()
        || match architecture {
            Architecture::Amd64 => name == "x86_64" || name == "x86-64",
            Architecture::Arm64 => name == "aarch64",
        }
}
