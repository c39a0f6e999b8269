//! The name of an image in a registry: `repository[:tag][@sha256:…]`, by the grammar of the
//! distribution project's reference package, which dockerd uses.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The name of an image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    repository: String,
    /// The tag, if there is one.
    pub(super) tag: Option<String>,
    /// `sha256:` and 64 hex digits, if there is a digest.
    pub(super) digest: Option<String>,
}

impl Reference {
    /// The repository as given, with or without a host: `public.ecr.aws/ecs/amazon-ecs-agent`.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    /// The registry's `host[:port]`; Docker Hub's if none is given.
    pub(crate) fn host(&self) -> &str {
        host(&self.repository).unwrap_or(HUB)
    }

    /// Whether a name from dockerd (`repository:tag`, `repository@sha256:…`) has this repository.
    pub(crate) fn is_repository_of(&self, name: &str) -> bool {
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        let (repository, _) = split_tag(name);
        familiar(repository) == familiar(&self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

const HUB: &str = "docker.io";

/// The part before the first slash, if it can only be a host.
fn host(repository: &str) -> Option<&str> {
    let (first, _) = repository.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

/// The "familiar" form in which dockerd shows names: without Docker Hub's host and `library/`.
fn familiar(repository: &str) -> &str {
    let rest = repository.strip_prefix("docker.io/").unwrap_or(repository);
    rest.strip_prefix("library/").unwrap_or(rest)
}

/// A colon before a slash belongs to the host's port, not to a tag.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

impl FromStr for Reference {
    type Err = Error;

    /// # Errors
    /// [`InvalidInput`](crate::error::Kind::InvalidInput).
    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str| {
            let context = format!("not an image reference: {text:?} {why}");
            Err(Error::invalid(context))
        };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let (repository, tag) = split_tag(name);
        let path = match host(repository) {
            Some(host) => {
                let valid = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
                if !host.bytes().all(valid) {
                    return invalid("has an invalid host");
                }
                &repository[host.len() + 1..]
            }
            None => repository,
        };
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let component = |part: &str| {
            let bytes = part.as_bytes();
            bytes.first().is_some_and(|b| lower(*b))
                && bytes.last().is_some_and(|b| lower(*b))
                && bytes.iter().all(|b| lower(*b) || b"._-".contains(b))
        };
        if text.len() > 512 || !path.split('/').all(component) {
            return invalid("is not repository[:tag][@sha256:…] in lower case");
        }
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if let Some(tag) = tag {
            let bytes = tag.as_bytes();
            if !(1..=128).contains(&bytes.len())
                || !word(bytes[0])
                || !bytes.iter().all(|b| word(*b) || b".-".contains(b))
            {
                return invalid("has an invalid tag");
            }
        }
        if let Some(digest) = digest {
            let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            let digits = digest.strip_prefix("sha256:").unwrap_or_default();
            if digits.len() != 64 || !digits.bytes().all(hex) {
                return invalid("has a digest that is not sha256: and 64 lower-case hex digits");
            }
        }
        Ok(Reference {
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_repository_tag_and_digest() {
        let digest = format!("sha256:{}", "0af9".repeat(16));
        let read = |text: &str| {
            let r: Reference = text.parse().unwrap();
            assert_eq!(r.to_string(), text);
            (
                r.host().to_owned(),
                r.repository().to_owned(),
                r.tag,
                r.digest,
            )
        };
        let part = |text: &str| Some(text.to_owned());
        let aws = "public.ecr.aws/ecs/amazon-ecs-agent";
        assert_eq!(read(aws), ("public.ecr.aws".into(), aws.into(), None, None));
        assert_eq!(
            read(&format!("r:5000/a:v1@{digest}")),
            (
                "r:5000".into(),
                "r:5000/a".into(),
                part("v1"),
                part(&digest)
            )
        );
        assert_eq!(
            read(&format!("r:5000/a@{digest}")),
            ("r:5000".into(), "r:5000/a".into(), None, part(&digest))
        );
        assert_eq!(
            read("mine/agent:V1"),
            ("docker.io".into(), "mine/agent".into(), part("V1"), None)
        );
    }

    #[test]
    fn invalid_references() {
        let short = format!("a@sha256:{}", "0".repeat(63));
        let upper = format!("a@sha256:{}", "A".repeat(64));
        for bad in [
            "",
            ":v1",
            "a:",
            "A/b",
            "a b",
            "a//b",
            "a/",
            "/a",
            "-a",
            "a:.x",
            "a@sha256:0",
            "a@",
            "a?b",
            "r.x y/a",
            "https://r/a",
            &short,
            &upper,
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn repository_of_dockerd_names() {
        let of = |mine: &str, name: &str| mine.parse::<Reference>().unwrap().is_repository_of(name);
        assert!(of("r:5000/a:v1", "r:5000/a@sha256:00"));
        assert!(of("r:5000/a", "r:5000/a:v2"));
        assert!(!of("r:5000/a", "r:5000/b:v2") && !of("r:5000/a", "a:v2"));
        assert!(of("docker.io/library/agent", "agent:latest"));
    }
}
