//! Whether an existing container was created from the same specification: a label of the container
//! has the digest of what it was created from. Pure.
//!
//! The container's own attributes cannot be compared: dockerd adds defaults, which differ between
//! its versions.

use crate::docker::Container;
use crate::docker::spec::ContainerSpec;
use crate::error::{Context, Result};
use crate::fs::sha256;

/// The label with the digest.
pub const LABEL: &str = "ecs-init.spec";

/// The SHA-256, in lower-case hex, of the body of `POST /containers/create` (without the label), a
/// NUL, and the image's ID. The image's tag is not enough: an update moves it. Rust's own hashes
/// may change with its version.
///
/// # Errors
/// The body cannot be written as JSON; this does not happen.
pub fn compute(spec: &ContainerSpec, image_id: &str) -> Result<String> {
    let context = || "compute the digest of the agent's container";
    let mut data = serde_json::to_vec(spec).context(context)?;
    data.push(0);
    data.extend(image_id.as_bytes());
    let digest = sha256(&*data).context(context)?;
    Ok(digest.to_string())
}

/// The same specification with the label.
pub(super) fn label(spec: &ContainerSpec, digest: &str) -> ContainerSpec {
    let mut spec = spec.clone();
    spec.labels.insert(LABEL.to_owned(), digest.to_owned());
    spec
}

/// Whether the container has this digest and runs. A paused container, or one that Docker is
/// restarting, does not.
pub(super) fn matches(container: &Container, digest: &str) -> bool {
    let state = &container.state;
    state.running && !state.paused && !state.restarting && container.label(LABEL) == Some(digest)
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
    fn digest_is_stable_across_versions() {
        // printf '{"Image":"a:latest","Env":["A=1"],"HostConfig":{}}\0sha256:1' | sha256sum
        let want = "6c9ec941";
        let got = compute(&spec("A=1"), "sha256:1").unwrap();
        assert_eq!(got.len(), 64);
        assert_eq!(&got[..8], want);
    }

    #[test]
    fn digest_depends_on_spec_and_image() {
        let one = compute(&spec("A=1"), "sha256:1").unwrap();
        assert_ne!(one, compute(&spec("A=2"), "sha256:1").unwrap());
        assert_ne!(one, compute(&spec("A=1"), "sha256:2").unwrap());
        assert_eq!(label(&spec("A=1"), &one).labels[LABEL], one);
    }

    #[test]
    fn only_running_container_with_digest_matches() {
        let right = format!(r#""{LABEL}":"m","other":"x""#);
        let up = r#""Running":true,"Status":"running""#;
        assert!(matches(&container(&right, up), "m"));
        assert!(!matches(&container(&right, up), "n"));
        assert!(!matches(&container("", up), "m"));
        for state in [
            r#""Running":false,"Status":"created""#,
            r#""Running":true,"Paused":true"#,
            r#""Running":true,"Restarting":true"#,
        ] {
            assert!(!matches(&container(&right, state), "m"), "{state}");
        }
    }
}
