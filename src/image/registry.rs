//! The agent's image in Docker, pulled from a registry.

use super::{IMAGE, Loaded, PullRequest, REPOSITORY, TAG};
use crate::docker::Docker;
use crate::docker::images::ImageInfo;
use crate::error::{Context, Result};
use crate::types::Architecture;

/// An image in Docker that matches a request. Only [`find`] creates one.
#[derive(Debug)]
pub(crate) struct Pulled(String);

impl Pulled {
    /// The image's ID, `sha256:…`.
    pub(crate) fn id(&self) -> &str {
        &self.0
    }

    /// Whether `current`, the image with the agent's name, is this image or an update that the
    /// agent installed. Such an update was loaded from a tar and has no other name; a pulled image
    /// also has the name by which it was pulled.
    pub(crate) fn accepts_current(&self, current: &ImageInfo) -> bool {
        // containerd's image store gives a digest to loaded images, too.
        let is_loaded =
            |digest: &String| digest.split_once('@').is_some_and(|(r, _)| r == REPOSITORY);
        current.id == self.0
            || (current.repo_tags.iter().all(|tag| tag == IMAGE)
                && current.repo_digests.iter().all(is_loaded))
    }
}

/// Finds the requested image in Docker.
///
/// # Errors
/// The image does not match the request, or the call failed.
pub(crate) fn find(docker: &Docker, request: &PullRequest) -> Result<Option<Pulled>> {
    let name = request.name();
    let Some(image) = docker.image(&name)? else {
        return Ok(None);
    };
    request
        .check(&image, Architecture::native())
        .context(|| format!("{name} cannot be used"))?;
    Ok(Some(Pulled(image.id)))
}

/// Tags a pulled image with the agent's name.
///
/// # Errors
/// The call failed.
pub(crate) fn tag(docker: &Docker, pulled: Pulled) -> Result<Loaded> {
    docker.tag_image(&pulled.0, REPOSITORY, TAG)?;
    Ok(Loaded(pulled.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

    #[test]
    fn only_update_of_pulled_image_is_kept() {
        let pulled = Pulled("sha256:1".into());
        let accepts = |id: &str, tags: &[&str], digests: &[&str]| {
            pulled.accepts_current(&ImageInfo {
                id: id.into(),
                repo_tags: tags.iter().map(|t| (*t).into()).collect(),
                repo_digests: digests.iter().map(|d| (*d).into()).collect(),
                ..ImageInfo::default()
            })
        };
        let (loaded, other) = (
            format!("amazon/amazon-ecs-agent@{DIGEST}"),
            format!("r.x/a@{DIGEST}"),
        );
        assert!(accepts("sha256:1", &[IMAGE, "r.x/a:v2"], &[&other]));
        assert!(accepts("sha256:2", &[IMAGE], &[]));
        assert!(accepts("sha256:2", &[IMAGE], &[&loaded]));
        assert!(!accepts("sha256:2", &[IMAGE, "r.x/a:v1"], &[]));
        assert!(!accepts(
            "sha256:2",
            &[IMAGE, "amazon/amazon-ecs-agent:v1"],
            &[]
        ));
        assert!(!accepts("sha256:2", &[IMAGE], &[&other]));
    }
}
