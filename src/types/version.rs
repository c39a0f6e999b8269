//! The version of the agent.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A version of the agent, as in the names of tars in S3.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AgentVersion {
    /// `latest`: the newest version at the time of the download.
    #[default]
    Latest,
    /// A release, with its `v`: `v1.99.0`.
    Release(String),
    /// A build, by the first 8 hex digits of its commit.
    Build(String),
}

impl AgentVersion {
    /// The version in a tar's file name, such as `ecs-agent-v1.99.0.tar` or
    /// `ecs-agent-arm64-0123abcd.tar`; `None` for `latest` and for other names.
    pub fn from_tar_name(name: &str) -> Option<AgentVersion> {
        let name = name.strip_prefix("ecs-agent-")?.strip_suffix(".tar")?;
        let name = name.strip_prefix("arm64-").unwrap_or(name);
        name.parse().ok().filter(|v| *v != AgentVersion::Latest)
    }

    /// The version in a tar's file name, if it differs from this one.
    pub(crate) fn conflicts_with_name(&self, name: &str) -> Option<AgentVersion> {
        AgentVersion::from_tar_name(name).filter(|n| *self != AgentVersion::Latest && n != self)
    }
}

impl FromStr for AgentVersion {
    type Err = Error;

    /// # Errors
    /// [`InvalidInput`](crate::error::Kind::InvalidInput).
    fn from_str(text: &str) -> Result<Self> {
        if text == "latest" {
            return Ok(AgentVersion::Latest);
        }
        if text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(AgentVersion::Build(text.to_ascii_lowercase()));
        }
        let number =
            |n: &str| !n.is_empty() && n.len() <= 9 && n.bytes().all(|b| b.is_ascii_digit());
        let release = text.strip_prefix('v').unwrap_or(text);
        if release.split('.').count() == 3 && release.split('.').all(number) {
            return Ok(AgentVersion::Release(format!("v{release}")));
        }
        Err(Error::invalid(
            "not an agent version (use latest, v1.2.3, or the first 8 hex digits of a commit)",
        ))
    }
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AgentVersion::Latest => f.write_str("latest"),
            AgentVersion::Release(name) | AgentVersion::Build(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn parses_latest_releases_and_commits() {
        let parse = |text: &str| text.parse::<AgentVersion>();
        let release = AgentVersion::Release("v1.2.3".into());
        assert_eq!(parse("latest").unwrap(), AgentVersion::Latest);
        assert_eq!(parse("1.2.3").unwrap(), release);
        assert_eq!(parse("v1.2.3").unwrap(), release);
        let build = AgentVersion::Build("deadbeef".into());
        assert_eq!(parse("DEADBEEF").unwrap(), build);
        for bad in [
            "", "v1.2", "1.2.3.4", "v1..3", "../../x", "deadbee", "v1.2.x",
        ] {
            assert_eq!(parse(bad).unwrap_err().kind(), Kind::InvalidInput, "{bad}");
        }
    }

    #[test]
    fn version_from_tar_name() {
        for (name, expected) in [
            ("ecs-agent-v1.99.0.tar", Some("v1.99.0")),
            ("ecs-agent-arm64-v1.99.0.tar", Some("v1.99.0")),
            ("ecs-agent-0123abcd.tar", Some("0123abcd")),
            ("ecs-agent-latest.tar", None),
            ("ecs-agent-0123456789abcdef.tar", None),
            ("ecs-agent.tar", None),
            ("ecs-agent-v1.99.0.tar.gz", None),
        ] {
            let got = AgentVersion::from_tar_name(name).map(|v| v.to_string());
            assert_eq!(got.as_deref(), expected, "{name}");
        }
    }
}
