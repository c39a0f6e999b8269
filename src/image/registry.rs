//! The other door: an image that dockerd pulled from a registry. Its digest stands in the place of
//! the signature; without one it takes the user's permission.

use super::{IMAGE, Loaded, Reference};
use crate::config::Config;
use crate::docker::Docker;
use crate::docker::images::ImageInfo;
use crate::error::{Error, Kind, Result};
use crate::types::Architecture;
use crate::verify::AllowUnsigned;

/// What vouches for what is pulled.
#[derive(Debug, Clone)]
enum Warrant {
    /// The digest of manifest or index: nothing else can be pulled by it.
    Digest(String),
    /// Nothing but this permission; the tag may stand for another image tomorrow.
    Tag(String, AllowUnsigned),
}

/// What to pull, and what vouches for it. No order without a warrant can be made.
#[derive(Debug, Clone)]
pub struct Order {
    reference: Reference,
    warrant: Warrant,
}

impl Order {
    /// The order that the configuration gives.
    ///
    /// # Errors
    /// `ECS_INIT_AGENT_IMAGE` is no reference, or has no digest where one is required.
    pub fn from_config(config: &Config) -> Result<Order> {
        let image = &config.source.image;
        let at = &image.origin;
        let reference: Reference = image.parse().map_err(|why| {
            Error::new(
                Kind::InvalidInput,
                format!("ECS_INIT_AGENT_IMAGE ({at}) {why}"),
            )
        })?;
        if let Some(digest) = &reference.digest {
            let warrant = Warrant::Digest(digest.clone());
            return Ok(Order { reference, warrant });
        }
        let tag = (reference.tag.clone()).unwrap_or_else(|| config.source.version.to_string());
        let repository = reference.repository();
        if is_ours(&reference, &tag) {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "ECS_INIT_AGENT_IMAGE ({at}) has no digest, and {repository}:{tag} is the name that \
                 ecs-init gives to whatever is to run: it would not say what was pulled; name \
                 another tag, or a digest ({repository}@sha256:…)"
                ),
            ));
        }
        match AllowUnsigned::from_config(&config.source) {
            Some(permission) => Ok(Order {
                warrant: Warrant::Tag(tag, permission),
                reference,
            }),
            None => Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "ECS_INIT_AGENT_IMAGE ({at}) has no digest, and nothing else says which image \
                 {repository}:{tag} is: look it up where you trust the way to the registry \
                 (docker buildx imagetools inspect {repository}:{tag}), and set \
                 ECS_INIT_AGENT_IMAGE={repository}@sha256:…; or do without, by \
                 ECS_INIT_ALLOW_UNSIGNED=true"
                ),
            )),
        }
    }

    /// Repository, host and what else was given.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The digest, or else the tag.
    #[must_use]
    pub fn which(&self) -> &str {
        match &self.warrant {
            Warrant::Digest(digest) => digest,
            Warrant::Tag(tag, _) => tag,
        }
    }

    /// The permission to do without a digest, if it is needed.
    #[must_use]
    pub fn without_digest(&self) -> Option<&AllowUnsigned> {
        match &self.warrant {
            Warrant::Digest(_) => None,
            Warrant::Tag(_, permission) => Some(permission),
        }
    }

    /// Under which name Docker has what was pulled.
    #[must_use]
    pub fn name(&self) -> String {
        let mark = if self.without_digest().is_none() {
            '@'
        } else {
            ':'
        };
        format!("{}{mark}{}", self.reference.repository(), self.which())
    }

    /// Whether this is the image that the order's digest names. A tag names none for sure.
    #[must_use]
    pub fn is(&self, image: &ImageInfo) -> bool {
        let Warrant::Digest(digest) = &self.warrant else {
            return false;
        };
        let fits = |name: &String| name.split_once('@').is_some_and(|(_, d)| d == digest);
        image.repo_digests.iter().any(fits)
    }

    /// Whether this image may be started for the order: the digest is the one that was asked for,
    /// and it is for this host where it says what it is for.
    fn fits(&self, image: &ImageInfo, wanted: Architecture) -> Result<(), String> {
        if self.without_digest().is_none() && !self.is(image) {
            return Err(format!("in Docker it is {:?}", image.repo_digests));
        }
        let here = wanted.name();
        let (os, architecture) = (image.os.as_str(), image.architecture.as_str());
        if !["", "linux"].contains(&os) || !["", here].contains(&architecture) {
            return Err(format!(
                "it is for {os}/{architecture}, and this host is linux/{here}: name one for this \
                 host, or an index that has one"
            ));
        }
        Ok(())
    }
}

/// Whether this tag is the name that the agent's container is made by.
fn is_ours(reference: &Reference, tag: &str) -> bool {
    let (repository, ours) = IMAGE.split_once(':').unwrap_or((IMAGE, "latest"));
    reference.is_of(repository) && tag == ours
}

/// An image that Docker has and that fits the order. Only [`find`] makes one.
#[derive(Debug)]
pub struct Pulled(String);

impl Pulled {
    /// The image's ID, as Docker gave it: `sha256:…`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0
    }

    /// Whether `current`, which holds the agent's name, is this image, or one that the agent was
    /// updated to: that one was loaded from a tar and has no other name. What was pulled has the
    /// name by which it was pulled, too.
    #[must_use]
    pub fn is_or_was_updated_to(&self, current: &ImageInfo) -> bool {
        let (repository, _) = IMAGE.split_once(':').unwrap_or((IMAGE, "latest"));
        // containerd's image store gives what is loaded a digest, too.
        let is_loaded =
            |digest: &String| digest.split_once('@').is_some_and(|(r, _)| r == repository);
        current.id == self.0
            || (current.repo_tags.iter().all(|tag| tag == IMAGE)
                && current.repo_digests.iter().all(is_loaded))
    }
}

/// Looks whether Docker has what the order names.
///
/// # Errors
/// It has, and it does not fit; or dockerd cannot be asked.
pub fn find(docker: &Docker, order: &Order) -> Result<Option<Pulled>> {
    let name = order.name();
    let Some(image) = docker.image(&name)? else {
        return Ok(None);
    };
    (order.fits(&image, Architecture::here())).map_err(|why| {
        Error::new(
            Kind::InvalidInput,
            format!("{name} is not to be started: {why}"),
        )
    })?;
    Ok(Some(Pulled(image.id)))
}

/// Gives it the name by which the agent's container is made.
///
/// # Errors
/// If dockerd does not.
pub fn name(docker: &Docker, pulled: Pulled) -> Result<Loaded> {
    let (repository, tag) = IMAGE.split_once(':').unwrap_or((IMAGE, "latest"));
    docker.tag_image(&pulled.0, repository, tag)?;
    Ok(Loaded(pulled.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    const DIGEST: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

    fn order(settings: &[(&str, &str)]) -> Result<Order> {
        let root = TempDir::new("registry");
        let root = ("ECS_INIT_ROOT", root.path().to_str().unwrap());
        let all = settings.iter().chain([&root]);
        let (config, warnings) = Config::load(all.map(|(k, v)| ((*k).into(), (*v).into())));
        assert!(warnings.is_empty(), "{warnings:?}");
        Order::from_config(&config)
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
    fn a_digest_or_the_permission() {
        let pinned = format!("r.x/a:v1@{DIGEST}");
        let name = order(&[("ECS_INIT_AGENT_IMAGE", &pinned)]).unwrap().name();
        assert_eq!(name, format!("r.x/a@{DIGEST}"));

        let refused = order(&[("ECS_INIT_AGENT_VERSION", "1.2.3")]).unwrap_err();
        let refused = refused.to_string();
        let tagged = "public.ecr.aws/ecs/amazon-ecs-agent:v1.2.3";
        assert!(
            refused.contains(tagged) && refused.contains("imagetools"),
            "{refused}"
        );
        assert!(order(&[("ECS_INIT_AGENT_IMAGE", "r.x/a:v1")]).is_err());

        let allowed = ("ECS_INIT_ALLOW_UNSIGNED", "true");
        let order = |image| order(&[allowed, ("ECS_INIT_AGENT_IMAGE", image)]);
        assert_eq!(order("r.x/a:v1").unwrap().name(), "r.x/a:v1");
        assert_eq!(order("r.x/a").unwrap().name(), "r.x/a:latest");
        // The name that is given to what was pulled says not what was.
        for ours in [
            "amazon/amazon-ecs-agent",
            "docker.io/amazon/amazon-ecs-agent:latest",
        ] {
            let refused = order(ours).unwrap_err().to_string();
            assert!(
                refused.contains("the name that ecs-init gives"),
                "{refused}"
            );
        }
        assert!(order("amazon/amazon-ecs-agent:v1.2.3").is_ok());
        // The permission takes nothing away from a digest that was given.
        assert!(order(&pinned).unwrap().without_digest().is_none());
        let slip = order("r.x/a@sha256:12").unwrap_err().to_string();
        assert!(
            slip.contains("ECS_INIT_AGENT_IMAGE (environment)"),
            "{slip}"
        );
    }

    #[test]
    fn by_a_tag_only_the_agents_own_update_stays_beside_what_was_pulled() {
        let pulled = Pulled("sha256:1".into());
        let holds = |id: &str, tags: &[&str], digests: &[&str]| {
            pulled.is_or_was_updated_to(&ImageInfo {
                id: id.into(),
                repo_tags: tags.iter().map(|t| (*t).into()).collect(),
                ..image(digests, "linux", "amd64")
            })
        };
        let (loaded, other) = (
            format!("amazon/amazon-ecs-agent@{DIGEST}"),
            format!("r.x/a@{DIGEST}"),
        );
        assert!(holds("sha256:1", &[IMAGE, "r.x/a:v2"], &[&other]));
        assert!(holds("sha256:2", &[IMAGE], &[]));
        assert!(holds("sha256:2", &[IMAGE], &[&loaded]));
        assert!(!holds("sha256:2", &[IMAGE, "r.x/a:v1"], &[]));
        assert!(!holds(
            "sha256:2",
            &[IMAGE, "amazon/amazon-ecs-agent:v1"],
            &[]
        ));
        assert!(!holds("sha256:2", &[IMAGE], &[&other]));
    }

    #[test]
    fn only_the_digest_and_the_platform_that_were_asked_for() {
        let order = order(&[("ECS_INIT_AGENT_IMAGE", &format!("r.x/a@{DIGEST}"))]).unwrap();
        let good = format!("elsewhere/b@{DIGEST}");
        let other = format!("r.x/a@{}", DIGEST.replace("aa", "ab"));
        let fits = |image: ImageInfo| order.fits(&image, Architecture::Arm64);
        assert_eq!(fits(image(&[&other, &good], "linux", "arm64")), Ok(()));
        assert_eq!(fits(image(&[&good], "", "")), Ok(()));
        assert!(fits(image(&[&other], "linux", "arm64")).is_err());
        assert!(fits(image(&[], "linux", "arm64")).is_err());
        let amd = fits(image(&[&good], "linux", "amd64")).unwrap_err();
        assert!(
            amd.contains("linux/amd64, and this host is linux/arm64"),
            "{amd}"
        );
        assert!(fits(image(&[&good], "windows", "arm64")).is_err());
    }
}
