//! The API version that ecs-init and dockerd have in common (Engine API, "Versioned API and SDK").

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

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

/// The oldest usable version: `HostConfig.Mounts` came with 1.25 (Docker 1.13).
const OLDEST: ApiVersion = ApiVersion::new(1, 25);

/// The newest version that ecs-init was written for; the oldest that Docker 29.0 supports.
const NEWEST: ApiVersion = ApiVersion::new(1, 44);

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = Error;

    /// # Errors
    /// The text is not two decimal numbers with a dot between them.
    fn from_str(text: &str) -> Result<Self> {
        let number = |s: &str| {
            let digits = !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| s.parse().ok()).flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| Some(ApiVersion::new(number(major)?, number(minor)?)))
            .ok_or_else(|| {
                let context = format!("not an Engine API version: {text:?}");
                Error::invalid(context)
            })
    }
}

/// The version to try first with a dockerd whose newest is `max`; `None` if dockerd is too old. A
/// newer dockerd may no longer support the version.
pub(super) fn newest_up_to(max: ApiVersion) -> Option<ApiVersion> {
    let best = max.min(NEWEST);
    (best >= OLDEST).then_some(best)
}

/// The newest version that ecs-init and a dockerd with the versions `min` to `max` support.
///
/// # Errors
/// [`crate::error::Kind::Unavailable`]; the message has both ranges and what to update.
pub(super) fn newest_common(min: ApiVersion, max: ApiVersion) -> Result<ApiVersion> {
    let best = max.min(NEWEST);
    let hint = if best < OLDEST {
        "update Docker"
    } else if best < min {
        "update ecs-init"
    } else {
        return Ok(best);
    };
    Err(Error::unavailable(format!(
        "dockerd supports Engine API {min} to {max}, ecs-init {OLDEST} to {NEWEST}: {hint}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(min: &str, max: &str) -> Result<String> {
        newest_common(min.parse()?, max.parse()?).map(|v| v.to_string())
    }

    #[test]
    fn common_version_with_every_engine_since_1_13() {
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
            assert_eq!(common(min, max).unwrap(), want, "{min} to {max}");
        }
    }

    #[test]
    fn incompatible_version_error_names_both_ranges() {
        assert_eq!(
            common("1.12", "1.24").unwrap_err().to_string(),
            "dockerd supports Engine API 1.12 to 1.24, ecs-init 1.25 to 1.44: update Docker"
        );
        assert_eq!(
            common("1.45", "2.0").unwrap_err().to_string(),
            "dockerd supports Engine API 1.45 to 2.0, ecs-init 1.25 to 1.44: update ecs-init"
        );
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!("1.9".parse::<ApiVersion>().unwrap() < "1.10".parse().unwrap());
        for bad in [
            "", "1", "1.", ".4", "1.4.2", "v1.4", "1.-4", "1.+4", "1.99999",
        ] {
            assert!(bad.parse::<ApiVersion>().is_err(), "{bad:?}");
        }
    }
}
