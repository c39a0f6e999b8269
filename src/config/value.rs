//! Parsers of values: text to a typed value.
//!
//! Errors have [`InvalidInput`](crate::error::Kind::InvalidInput) and say what the text is not. They never contain the text: a
//! secret may be in the wrong variable. The caller adds variable and place.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use crate::error::{Error, Result};

/// Any text.
#[allow(clippy::unnecessary_wraps)] // a parser like the others
pub(super) fn text(text: &str) -> Result<String> {
    Ok(text.to_owned())
}

/// A Go boolean (`strconv.ParseBool`), as amazon-ecs-init reads it.
pub(super) fn boolean(text: &str) -> Result<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Error::invalid("not a boolean (use true or false)")),
    }
}

/// A whole number of seconds, at most a day.
pub(super) fn seconds(text: &str) -> Result<Duration> {
    match text.parse::<u32>() {
        Ok(s) if s <= 86_400 => Ok(Duration::from_secs(s.into())),
        _ => Err(Error::invalid(
            "not a whole number of seconds from 0 to 86400",
        )),
    }
}

/// A number of bytes.
pub(super) fn bytes(text: &str) -> Result<u64> {
    let number = text.parse();
    number.map_err(|_| Error::invalid("not a whole number of bytes"))
}

/// An absolute path.
pub(super) fn absolute_path(text: &str) -> Result<PathBuf> {
    if text.starts_with('/') {
        Ok(text.into())
    } else {
        Err(Error::invalid("not an absolute path"))
    }
}

/// Comma-separated paths. Blanks around a path and empty items are ignored. Relative paths are
/// kept: see [`Config::check_wait_for`](super::Config::check_wait_for).
#[allow(clippy::unnecessary_wraps)] // a parser like the others
pub(super) fn paths(text: &str) -> Result<Vec<PathBuf>> {
    let paths = text.split(',').map(str::trim);
    let paths = paths.filter(|path| !path.is_empty());
    Ok(paths.map(PathBuf::from).collect())
}

/// A JSON object whose values are strings.
pub(super) fn string_map(text: &str) -> Result<BTreeMap<String, String>> {
    let map = serde_json::from_str(text);
    map.map_err(|_| Error::invalid("not a JSON object of strings"))
}

/// A `DOCKER_HOST`, which must be a Unix socket.
pub(super) fn docker_host(text: &str) -> Result<PathBuf> {
    match text.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(path.into()),
        _ => Err(Error::invalid("not a Unix socket (unix:///path/to/socket)")),
    }
}

/// The path of a Unix socket, with `unix://` before it or without.
pub(super) fn socket(text: &str) -> Result<PathBuf> {
    match text.strip_prefix("unix://").unwrap_or(text) {
        path if path.starts_with('/') => Ok(path.into()),
        _ => Err(Error::invalid("not a Unix socket (unix:///path/to/socket)")),
    }
}

/// An AppArmor profile that may replace the agent's: only Docker's own.
pub(super) fn apparmor_fallback(text: &str) -> Result<()> {
    match text {
        "docker-default" => Ok(()),
        _ => Err(Error::invalid(
            "not docker-default, the only fallback profile",
        )),
    }
}

/// `ECS_LOGLEVEL`, in any case. `error` and `crit` are the same level.
pub(super) fn log_level(text: &str) -> Result<LevelFilter> {
    match text.to_ascii_lowercase().as_str() {
        "debug" => Ok(LevelFilter::Debug),
        "info" => Ok(LevelFilter::Info),
        "warn" => Ok(LevelFilter::Warn),
        "error" | "crit" => Ok(LevelFilter::Error),
        "none" => Ok(LevelFilter::Off),
        _ => Err(Error::invalid(
            "not a log level (use debug, info, warn, error, crit or none)",
        )),
    }
}

/// The name of an AWS region: lower-case letters, digits and dashes. It becomes a part of host
/// names.
///
/// # Errors
/// Other text.
pub fn region(text: &str) -> Result<String> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&text.len())
        && text.bytes().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
    {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid("not a region name (like eu-central-1)"))
    }
}

/// An `http://` or `https://` URL, without slashes at its end.
///
/// # Errors
/// Other text.
pub fn url(text: &str) -> Result<String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(Error::invalid("not an http:// or https:// URL")),
    }
}

/// Whether an endpoint mode is IPv6.
pub(super) fn imds_mode(text: &str) -> Result<bool> {
    match text.to_ascii_lowercase().as_str() {
        "ipv4" => Ok(false),
        "ipv6" => Ok(true),
        _ => Err(Error::invalid("not an endpoint mode (use IPv4 or IPv6)")),
    }
}

/// A log driver that amazon-ecs-init accepts for the agent's container.
pub(super) fn log_driver(text: &str) -> Result<String> {
    match text {
        "awslogs" | "fluentd" | "gelf" | "json-file" | "journald" | "logentries" | "syslog"
        | "splunk" => Ok(text.to_owned()),
        _ => Err(Error::invalid(
            "not a log driver for the agent's container (use awslogs, fluentd, gelf, json-file, \
             journald, logentries, syslog or splunk)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use std::path::Path;

    #[test]
    fn sockets_with_and_without_scheme() {
        for text in ["unix:///run/f.sock", "/run/f.sock"] {
            assert_eq!(socket(text).unwrap(), Path::new("/run/f.sock"));
        }
        for text in ["tcp://h:1", "run/f.sock", "unix://x", ""] {
            assert_eq!(socket(text).unwrap_err().kind(), Kind::InvalidInput);
        }
    }

    #[test]
    fn docker_host_must_be_unix_socket() {
        assert_eq!(
            docker_host("unix:///run/d.sock").unwrap(),
            Path::new("/run/d.sock")
        );
        for bad in ["tcp://1.2.3.4:2375", "unix://x", "/run/d.sock", ""] {
            assert!(docker_host(bad).is_err(), "{bad}");
        }
    }
}
