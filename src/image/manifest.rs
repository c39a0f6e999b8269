//! The JSON of a docker-archive, decoded as leniently as Docker does: the agent's own image
//! configuration has no `architecture` and two `config` keys, which a strict decoder rejects.

use serde::Deserialize;
use serde_json::Value;

use super::{IMAGE, ImageError};
use crate::types::Architecture;

/// The entry that makes a tar a docker-archive (Docker's image specification v1.2, "Combined
/// Image JSON + Filesystem Changeset Format").
pub(super) const MANIFEST: &str = "manifest.json";

/// One image of the manifest.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Image {
    /// The name of the entry with the image's configuration.
    #[serde(rename = "Config")]
    pub(super) config: String,
    /// The tags that loading gives to it; may be `null`.
    #[serde(rename = "RepoTags", default)]
    pub(super) tags: Option<Vec<String>>,
    /// The names of the layers' entries, the lowest first.
    #[serde(rename = "Layers", default)]
    pub(super) layers: Option<Vec<String>>,
}

impl Image {
    /// Whether it has the agent's tag, with or without Docker Hub's host.
    fn is_the_agent(&self) -> bool {
        self.tags.iter().flatten().any(|tag| {
            let tag = tag.strip_prefix("docker.io/").unwrap_or(tag);
            tag == IMAGE
        })
    }
}

/// The images of a manifest that have the agent's tag, at least one.
pub(super) fn agent_images(json: &[u8]) -> Result<Vec<Image>, ImageError> {
    let images: Vec<Image> = serde_json::from_slice(json).map_err(|e| {
        ImageError::malformed(
            MANIFEST,
            format!("is not a docker-archive's manifest ({e})"),
        )
    })?;
    let (agents, others): (Vec<_>, Vec<_>) = images.into_iter().partition(Image::is_the_agent);
    if agents.is_empty() {
        let tags = others.into_iter().filter_map(|image| image.tags).flatten();
        return Err(ImageError::WrongTags(tags.collect()));
    }
    Ok(agents)
}

/// Checks an image's configuration, the entry `name`: it must be an object; an architecture in it
/// must match.
pub(super) fn check_config(
    name: &str,
    json: &[u8],
    wanted: Architecture,
) -> Result<(), ImageError> {
    // `Value` keeps the last of two equal keys, as Go does.
    let config: Value = serde_json::from_slice(json).map_err(|e| {
        ImageError::malformed(name, format!("is not an image's configuration ({e})"))
    })?;
    if !config.is_object() {
        return Err(ImageError::malformed(
            name,
            "is not an image's configuration",
        ));
    }
    match config.get("architecture") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(found)) if found.is_empty() || is_name_of(found, wanted) => Ok(()),
        Some(Value::String(found)) => Err(ImageError::WrongArchitecture {
            found: found.clone(),
            wanted,
        }),
        Some(_) => Err(ImageError::malformed(
            name,
            "has an architecture that is not a string",
        )),
    }
}

/// Whether a configuration may have this name for the architecture: Go's name, as the OCI image
/// specification requires, or the kernel's name, which some builders write.
fn is_name_of(name: &str, architecture: Architecture) -> bool {
    name == architecture.name()
        || match architecture {
            Architecture::Amd64 => name == "x86_64" || name == "x86-64",
            Architecture::Arm64 => name == "aarch64",
        }
}
