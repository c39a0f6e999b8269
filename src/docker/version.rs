//! The API version that both sides speak (Engine API, "Versioned API and SDK"). Pure.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind, Result};

/// An Engine API version, `1.44`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

impl ApiVersion {
    const fn new(major: u16, minor: u16) -> Self {
        ApiVersion { major, minor }
    }
}

/// The oldest version that has all we need: `HostConfig.Mounts` came with 1.25 (Docker 1.13).
pub const OLDEST: ApiVersion = ApiVersion::new(1, 25);

/// The newest version whose defaults we know, and the one that Docker 29.0 asks for at least.
pub const NEWEST: ApiVersion = ApiVersion::new(1, 44);

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = Error;

    /// # Errors
    /// If the text is not two decimal numbers with a dot between them.
    fn from_str(text: &str) -> Result<Self> {
        let number = |s: &str| {
            let digits = !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| s.parse().ok()).flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(ApiVersion::new(number(major)?, number(minor)?)))
            .ok_or_else(|| {
                Error::new(
                    Kind::InvalidInput,
                    format!("{text:?} is not an Engine API version"),
                )
            })
    }
}

/// The versions that a dockerd answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// `MinAPIVersion`.
    pub min: ApiVersion,
    /// `ApiVersion`.
    pub max: ApiVersion,
}

/// The newest version that we and a dockerd up to `max` may both speak, whatever its oldest is.
#[must_use]
pub fn ours(max: ApiVersion) -> Option<ApiVersion> {
    let best = max.min(NEWEST);
    (best >= OLDEST).then_some(best)
}

/// The newest version in both windows.
///
/// # Errors
/// If there is none: the message names both windows, and which side to update.
pub fn negotiate(theirs: Window) -> Result<ApiVersion> {
    let best = theirs.max.min(NEWEST);
    let hint = if best < OLDEST {
        "update Docker"
    } else if best < theirs.min {
        "update ecs-init"
    } else {
        return Ok(best);
    };
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "dockerd speaks Engine API {} to {}, ecs-init {OLDEST} to {NEWEST}: {hint}",
            theirs.min, theirs.max
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(min: &str, max: &str) -> Result<String> {
        let (min, max) = (min.parse()?, max.parse()?);
        negotiate(Window { min, max }).map(|v| v.to_string())
    }

    #[test]
    fn every_engine_since_1_13_finds_a_version() {
        let cases = [
            (("1.12", "1.25"), "1.25"), // 1.13
            (("1.12", "1.41"), "1.41"), // 20.10
            (("1.12", "1.43"), "1.43"), // 24
            (("1.24", "1.44"), "1.44"), // 25
            (("1.24", "1.51"), "1.44"), // 28
            (("1.44", "1.52"), "1.44"), // 29.0
            (("1.40", "1.52"), "1.44"), // later 29
        ];
        for ((min, max), want) in cases {
            assert_eq!(with(min, max).unwrap(), want, "{min} to {max}");
        }
    }

    #[test]
    fn outside_the_window_both_sides_are_named() {
        assert_eq!(
            with("1.12", "1.24").unwrap_err().to_string(),
            "dockerd speaks Engine API 1.12 to 1.24, ecs-init 1.25 to 1.44: update Docker"
        );
        assert_eq!(
            with("1.45", "2.0").unwrap_err().to_string(),
            "dockerd speaks Engine API 1.45 to 2.0, ecs-init 1.25 to 1.44: update ecs-init"
        );
    }

    #[test]
    fn versions_are_numbers_not_text() {
        assert!("1.9".parse::<ApiVersion>().unwrap() < "1.10".parse().unwrap());
        for bad in [
            "", "1", "1.", ".4", "1.4.2", "v1.4", "1.-4", "1.+4", "1.99999",
        ] {
            assert!(bad.parse::<ApiVersion>().is_err(), "{bad:?}");
        }
    }
}
