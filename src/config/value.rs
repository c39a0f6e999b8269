//! Text to values. Each reader takes the text and answers the value or what would have been one.

use std::fmt;
use std::str::FromStr;

/// A Go boolean (`strconv.ParseBool`): the reference's switches are read with it.
///
/// # Errors
/// What would have been a boolean.
pub fn boolean(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("is no boolean (true or false)"),
    }
}

/// A whole number of seconds, at most a day.
///
/// # Errors
/// What would have been one.
pub fn seconds(text: &str) -> Result<std::time::Duration, &'static str> {
    match text.parse::<u32>() {
        Ok(s) if s <= 86_400 => Ok(std::time::Duration::from_secs(s.into())),
        _ => Err("is no whole number of seconds from 0 to 86400"),
    }
}

/// Paths with commas between them; blanks around one do not count, nor does a comma too many.
#[must_use]
pub fn paths(text: &str) -> Vec<std::path::PathBuf> {
    let paths = text.split(',').map(str::trim);
    paths
        .filter(|path| !path.is_empty())
        .map(Into::into)
        .collect()
}

/// A JSON object whose values are strings (`ECS_AGENT_LABELS`, `ECS_LOG_OPTS`).
///
/// # Errors
/// What would have been one.
pub fn string_map(text: &str) -> Result<std::collections::BTreeMap<String, String>, &'static str> {
    serde_json::from_str(text).map_err(|_| "is no JSON object of strings")
}

/// A `DOCKER_HOST`: only a Unix socket will do.
///
/// # Errors
/// What would have been one.
pub fn docker_host(text: &str) -> Result<std::path::PathBuf, &'static str> {
    match text.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(path.into()),
        _ => Err("is no unix:///path/to/socket"),
    }
}

/// A socket's path, with `unix://` before it (which the reference asks for) or without.
///
/// # Errors
/// What would have been one.
pub fn socket(text: &str) -> Result<std::path::PathBuf, &'static str> {
    match text.strip_prefix("unix://").unwrap_or(text) {
        path if path.starts_with('/') => Ok(path.into()),
        _ => Err("is no unix:///path/to/socket"),
    }
}

/// `ECS_INIT_APPARMOR_FALLBACK`: the one profile that may stand in, Docker's own.
///
/// # Errors
/// What would have been it.
pub fn apparmor_fallback(text: &str) -> Result<(), &'static str> {
    match text {
        "docker-default" => Ok(()),
        _ => Err("is not docker-default, the only profile that may stand in"),
    }
}

/// A region's name: lower-case letters, digits and dashes. It becomes a part of a host name, so
/// nothing else may pass.
///
/// # Errors
/// What would have been one.
pub fn region(text: &str) -> Result<String, &'static str> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&text.len())
        && text.bytes().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
    {
        Ok(text.to_owned())
    } else {
        Err("is no region's name (as eu-central-1)")
    }
}

/// An `http://` or `https://` URL; without the slash at its end.
///
/// # Errors
/// What would have been one.
pub fn url(text: &str) -> Result<String, &'static str> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("is no http:// or https:// URL"),
    }
}

/// A number of bytes.
///
/// # Errors
/// What would have been one.
pub fn bytes(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "is no whole number of bytes")
}

/// `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`: whether it is IPv6.
///
/// # Errors
/// What would have been one.
pub fn imds_mode(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "ipv4" => Ok(false),
        "ipv6" => Ok(true),
        _ => Err("is no endpoint mode (IPv4 or IPv6)"),
    }
}

/// `ECS_INIT_AGENT_SOURCE`: where the agent's image comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AgentSource {
    /// A signed tar: the cache's, this host's, a mirror's or S3's.
    #[default]
    Tar,
    /// A registry, through Docker.
    Registry,
}

impl FromStr for AgentSource {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tar" => Ok(AgentSource::Tar),
            "registry" => Ok(AgentSource::Registry),
            _ => Err("is no source of the agent (tar, registry)"),
        }
    }
}

/// The repository in which Amazon publishes the agent's image.
pub const AGENT_IMAGE: &str = "public.ecr.aws/ecs/amazon-ecs-agent";

/// `ECS_INIT_SELINUX`: what is done about the labels of the agent's container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selinux {
    /// `label=disable`: the container is not confined by SELinux, and keeps its capabilities.
    Disable,
    /// `:Z` on the directories of logs and data: Docker labels them for this container alone.
    Relabel,
}

impl FromStr for Selinux {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "disable" => Ok(Selinux::Disable),
            "relabel" => Ok(Selinux::Relabel),
            _ => Err("is neither disable nor relabel"),
        }
    }
}

/// How much is logged: `ECS_LOGLEVEL`, in the reference's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// One line a change of state.
    #[default]
    Info,
    /// What is wrong but was got over.
    Warn,
    /// What failed. `error` and `crit` are one level here.
    Error,
    /// Nothing.
    None,
}

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(LogLevel::Debug),
            "info" => Ok(LogLevel::Info),
            "warn" => Ok(LogLevel::Warn),
            "error" | "crit" => Ok(LogLevel::Error),
            "none" => Ok(LogLevel::None),
            _ => Err("is no log level (debug, info, warn, error, crit, none)"),
        }
    }
}

impl LogLevel {
    /// The same in the `log` crate's terms.
    #[must_use]
    pub fn filter(self) -> log::LevelFilter {
        match self {
            LogLevel::Debug => log::LevelFilter::Debug,
            LogLevel::Info => log::LevelFilter::Info,
            LogLevel::Warn => log::LevelFilter::Warn,
            LogLevel::Error => log::LevelFilter::Error,
            LogLevel::None => log::LevelFilter::Off,
        }
    }
}

/// Which tables the rules are written to: `ECS_INIT_FIREWALL`, unless that is `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firewall {
    /// The tables of iptables-nft, in its encoding: `iptables -S` shows the rules.
    Iptables,
    /// The tables `ip ecs-init` and `ip6 ecs-init`, in nftables expressions:
    /// `nft list table ip ecs-init` shows the rules.
    Nftables,
}

impl fmt::Display for Firewall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Firewall::Iptables => "iptables",
            Firewall::Nftables => "nftables",
        })
    }
}

/// Reads `ECS_INIT_FIREWALL`; `None` for `auto`.
pub(crate) fn firewall(text: &str) -> Result<Option<Firewall>, &'static str> {
    match text {
        "auto" => Ok(None),
        "iptables" => Ok(Some(Firewall::Iptables)),
        "nftables" => Ok(Some(Firewall::Nftables)),
        _ => Err("is no firewall (auto, iptables, nftables)"),
    }
}

/// A log driver that the reference accepts for the agent's container.
pub const LOG_DRIVERS: [&str; 8] = [
    "awslogs",
    "fluentd",
    "gelf",
    "json-file",
    "journald",
    "logentries",
    "syslog",
    "splunk",
];

/// A name out of [`LOG_DRIVERS`].
///
/// # Errors
/// What would have been one.
pub fn log_driver(text: &str) -> Result<String, &'static str> {
    if LOG_DRIVERS.contains(&text) {
        Ok(text.to_owned())
    } else {
        Err("is no log driver that the agent's container may use \
             (awslogs, fluentd, gelf, json-file, journald, logentries, syslog, splunk)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        assert_eq!("registry".parse(), Ok(AgentSource::Registry));
        assert_eq!("tar".parse(), Ok(AgentSource::Tar));
        assert!("Registry".parse::<AgentSource>().is_err());
    }

    #[test]
    fn sockets_with_and_without_a_scheme() {
        assert_eq!(socket("unix:///run/f.sock"), Ok("/run/f.sock".into()));
        assert_eq!(socket("/run/f.sock"), Ok("/run/f.sock".into()));
        assert!(socket("tcp://h:1").is_err() && socket("run/f.sock").is_err());
    }

    #[test]
    fn docker_hosts() {
        assert_eq!(docker_host("unix:///run/d.sock"), Ok("/run/d.sock".into()));
        for bad in ["tcp://1.2.3.4:2375", "unix://x", "/run/d.sock", ""] {
            assert!(docker_host(bad).is_err(), "{bad}");
        }
    }
}
