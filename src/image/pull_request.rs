//! What to pull from a registry. A digest replaces the signature; pulling by a tag needs the user's
//! permission.

use super::{REPOSITORY, Reference, TAG};
use crate::config::Config;
use crate::docker::images::ImageInfo;
use crate::error::{Context, Error, Kind, Result};
use crate::types::Architecture;
use crate::verify::AllowUnsigned;

/// How the image is selected.
#[derive(Debug, Clone)]
enum Selector {
    /// The digest of the manifest or index identifies the image.
    Digest(String),
    /// A tag, and the permission to use it: the registry may move the tag to another image.
    Tag(String, AllowUnsigned),
}

/// What to pull. Can only be created with a digest or a permission.
#[derive(Debug, Clone)]
pub(crate) struct PullRequest {
    reference: Reference,
    selector: Selector,
}

impl PullRequest {
    /// The request for `ECS_INIT_AGENT_IMAGE`.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::error::Kind::InvalidInput) if it is not an image reference,
    /// [`Kind::Untrusted`] if it has no digest and the configuration requires one.
    pub(crate) fn from_config(config: &Config) -> Result<PullRequest> {
        let image = &config.source.image;
        let origin = &image.origin;
        let reference: Reference = image
            .parse()
            .context(|| format!("ECS_INIT_AGENT_IMAGE ({origin})"))?;
        if let Some(digest) = &reference.digest {
            let selector = Selector::Digest(digest.clone());
            return Ok(PullRequest {
                reference,
                selector,
            });
        }
        let tag = (reference.tag.clone()).unwrap_or_else(|| config.source.version.to_string());
        let repository = reference.repository();
        let name = format!("{repository}:{tag}");
        if reference.is_repository_of(REPOSITORY) && tag == TAG {
            return Err(Error::invalid(format!(
                "ECS_INIT_AGENT_IMAGE ({origin}) has no digest, and ecs-init itself tags the \
                     agent's image as {name}; use another tag, or a digest \
                     ({repository}@sha256:…)"
            )));
        }
        match AllowUnsigned::from_config(&config.source) {
            Some(permission) => Ok(PullRequest {
                selector: Selector::Tag(tag, permission),
                reference,
            }),
            None => Err(Error::new(
                Kind::Untrusted,
                format!(
                    "ECS_INIT_AGENT_IMAGE ({origin}) has no digest, which is required to identify \
                     the image; look it up over a trusted connection (docker buildx imagetools \
                     inspect {name}) and set ECS_INIT_AGENT_IMAGE={repository}@sha256:…, or set \
                     ECS_INIT_ALLOW_UNSIGNED=true"
                ),
            )),
        }
    }

    /// The image reference.
    pub(crate) fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The digest or the tag to pull.
    pub(crate) fn selector(&self) -> &str {
        match &self.selector {
            Selector::Digest(digest) => digest,
            Selector::Tag(tag, _) => tag,
        }
    }

    /// The permission to pull by a tag; `None` for a digest.
    pub(crate) fn tag_permission(&self) -> Option<&AllowUnsigned> {
        match &self.selector {
            Selector::Digest(_) => None,
            Selector::Tag(_, permission) => Some(permission),
        }
    }

    /// The name of the pulled image in Docker.
    pub(crate) fn name(&self) -> String {
        let separator = match &self.selector {
            Selector::Digest(_) => '@',
            Selector::Tag(..) => ':',
        };
        format!(
            "{}{separator}{}",
            self.reference.repository(),
            self.selector()
        )
    }

    /// Whether an image has the requested digest; `false` if a tag was requested.
    pub(crate) fn has_digest_of(&self, image: &ImageInfo) -> bool {
        let Selector::Digest(digest) = &self.selector else {
            return false;
        };
        let matches = |name: &String| name.split_once('@').is_some_and(|(_, d)| d == digest);
        image.repo_digests.iter().any(matches)
    }

    /// Checks that an image has the requested digest, and is for this platform if it names one.
    pub(super) fn check(&self, image: &ImageInfo, wanted: Architecture) -> Result<()> {
        let is_digest = matches!(self.selector, Selector::Digest(_));
        if is_digest && !self.has_digest_of(image) {
            let digests = image.repo_digests.join(", ");
            return Err(Error::new(
                Kind::Untrusted,
                format!("its digests in Docker are {digests:?}"),
            ));
        }
        let host = wanted.name();
        let (os, architecture) = (image.os.as_str(), image.architecture.as_str());
        if !["", "linux"].contains(&os) || !["", host].contains(&architecture) {
            return Err(Error::invalid(format!(
                "it is for {os}/{architecture}, and this host is linux/{host}; use an image \
                     for this host, or an index with one"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

    fn request(settings: &[(&str, &str)]) -> Result<PullRequest> {
        let root = TempDir::new("registry");
        let root = ("ECS_INIT_ROOT", root.path().to_str().unwrap());
        let all = settings.iter().chain([&root]);
        let (config, warnings) = Config::load(all.map(|(k, v)| ((*k).into(), (*v).into())));
        assert!(warnings.is_empty(), "{warnings:?}");
        PullRequest::from_config(&config)
    }

    fn image(digests: &[&str], os: &str, architecture: &str) -> ImageInfo {
        ImageInfo {
            os: os.into(),
            architecture: architecture.into(),
            repo_digests: digests.iter().map(|d| (*d).into()).collect(),
            ..ImageInfo::default()
        }
    }

    #[test]
    fn pull_request_needs_digest_or_permission() {
        let pinned = format!("r.x/a:v1@{DIGEST}");
        let name = request(&[("ECS_INIT_AGENT_IMAGE", &pinned)])
            .unwrap()
            .name();
        assert_eq!(name, format!("r.x/a@{DIGEST}"));

        let error = request(&[("ECS_INIT_AGENT_VERSION", "1.2.3")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Untrusted, "{error}");
        let name = "public.ecr.aws/ecs/amazon-ecs-agent:v1.2.3";
        assert!(error.to_string().contains(name), "{error}");
        let error = request(&[("ECS_INIT_AGENT_IMAGE", "r.x/a:v1")]).unwrap_err();
        assert_eq!(error.kind(), Kind::Untrusted, "{error}");

        let allowed = ("ECS_INIT_ALLOW_UNSIGNED", "true");
        let request = |image| request(&[allowed, ("ECS_INIT_AGENT_IMAGE", image)]);
        assert_eq!(request("r.x/a:v1").unwrap().name(), "r.x/a:v1");
        assert_eq!(request("r.x/a").unwrap().name(), "r.x/a:latest");
        // ecs-init itself moves this tag.
        for image in [
            "amazon/amazon-ecs-agent",
            "docker.io/amazon/amazon-ecs-agent:latest",
        ] {
            let error = request(image).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        }
        assert!(request("amazon/amazon-ecs-agent:v1.2.3").is_ok());
        // A digest is checked despite the permission.
        assert!(request(&pinned).unwrap().tag_permission().is_none());
        let error = request("r.x/a@sha256:12").unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
        assert!(error.to_string().contains("environment"), "{error}");
    }

    #[test]
    fn digest_and_platform_must_match() {
        let request = request(&[("ECS_INIT_AGENT_IMAGE", &format!("r.x/a@{DIGEST}"))]).unwrap();
        let good = format!("elsewhere/b@{DIGEST}");
        let other = format!("r.x/a@{}", DIGEST.replace("aa", "ab"));
        let check = |digests: &[&str], os: &str, architecture: &str| {
            let image = image(digests, os, architecture);
            let checked = request.check(&image, Architecture::Arm64);
            checked.map_err(|error| error.kind())
        };
        assert_eq!(check(&[&other, &good], "linux", "arm64"), Ok(()));
        assert_eq!(check(&[&good], "", ""), Ok(()));
        let untrusted = Err(Kind::Untrusted);
        assert_eq!(check(&[&other], "linux", "arm64"), untrusted);
        assert_eq!(check(&[], "linux", "arm64"), untrusted);
        let invalid = Err(Kind::InvalidInput);
        assert_eq!(check(&[&good], "linux", "amd64"), invalid);
        assert_eq!(check(&[&good], "windows", "arm64"), invalid);
    }
}
