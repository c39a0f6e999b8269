//! Whether a container is the one that we would make: it carries the digest of what it was made
//! of in a label. Pure.
//!
//! Comparing what dockerd tells about a container with what we would ask for cannot work: it
//! fills in defaults, which differ from one version to the next.

use sequoia_openpgp::fmt::hex;
use sequoia_openpgp::types::HashAlgorithm;

use crate::docker::Container;
use crate::docker::spec::ContainerSpec;
use crate::error::{Context, Result};

/// The label of ours on the agent's container.
pub const LABEL: &str = "ecs-init.spec";

/// What a container is made of, as lower-case hex: the SHA-256 of the body of
/// `POST /containers/create` (without the label), a NUL, and the image's id. A tag alone would
/// not do: an update moves it. (Sequoia's SHA-256, so that the program has one; the hash of
/// Rust's std may change with its version.)
///
/// # Errors
/// If the body cannot be written as JSON, or there is no SHA-256: neither happens.
pub fn mark(spec: &ContainerSpec, image_id: &str) -> Result<String> {
    let doing = || "compute the digest of the agent's container";
    let body = serde_json::to_vec(spec).context(doing)?;
    let mut digest = HashAlgorithm::SHA256
        .context()
        .map_err(std::io::Error::other)
        .context(doing)?
        .for_digest();
    digest.update(&body);
    digest.update(b"\0");
    digest.update(image_id.as_bytes());
    let digest = digest
        .into_digest()
        .map_err(std::io::Error::other)
        .context(doing)?;
    Ok(hex::encode(digest).to_lowercase())
}

/// The same container with its mark on it.
#[must_use]
pub fn marked(spec: &ContainerSpec, mark: &str) -> ContainerSpec {
    let mut spec = spec.clone();
    spec.labels.insert(LABEL.to_owned(), mark.to_owned());
    spec
}

/// Whether a container that is there is the one that we would make, and does its work: one that
/// is frozen, or between two runs, does not.
#[must_use]
pub fn is_as_wanted(container: &Container, mark: &str) -> bool {
    let state = &container.state;
    state.running && !state.paused && !state.restarting && container.label(LABEL) == Some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(env: &str) -> ContainerSpec {
        ContainerSpec {
            image: "a:latest".into(),
            env: vec![env.into()],
            ..ContainerSpec::default()
        }
    }

    /// A container as dockerd shows it.
    fn container(label: &str, state: &str) -> Container {
        let json =
            format!(r#"{{"Id":"ab","State":{{{state}}},"Config":{{"Labels":{{{label}}}}}}}"#);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn the_mark_is_the_same_in_every_version_of_this_program() {
        // printf '{"Image":"a:latest","Env":["A=1"],"HostConfig":{}}\0sha256:1' | sha256sum
        let want = "6c9ec941";
        let got = mark(&spec("A=1"), "sha256:1").unwrap();
        assert_eq!(got.len(), 64);
        assert_eq!(&got[..8], want);
    }

    #[test]
    fn configuration_and_image_both_count() {
        let one = mark(&spec("A=1"), "sha256:1").unwrap();
        assert_ne!(one, mark(&spec("A=2"), "sha256:1").unwrap());
        assert_ne!(one, mark(&spec("A=1"), "sha256:2").unwrap());
        assert_eq!(marked(&spec("A=1"), &one).labels[LABEL], one);
    }

    #[test]
    fn only_a_container_that_runs_and_has_the_mark_will_do() {
        let right = format!(r#""{LABEL}":"m","other":"x""#);
        let up = r#""Running":true,"Status":"running""#;
        assert!(is_as_wanted(&container(&right, up), "m"));
        assert!(!is_as_wanted(&container(&right, up), "n"));
        assert!(!is_as_wanted(&container("", up), "m"));
        for state in [
            r#""Running":false,"Status":"created""#,
            r#""Running":true,"Paused":true"#,
            r#""Running":true,"Restarting":true"#,
        ] {
            assert!(!is_as_wanted(&container(&right, state), "m"), "{state}");
        }
    }
}
