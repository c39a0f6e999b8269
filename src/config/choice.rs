//! Variables with a fixed set of values.

use std::fmt;

use crate::error::{Error, Result};

/// `ECS_INIT_AGENT_SOURCE`: where the agent's image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentSource {
    /// A signed tar: cached, local, from a mirror or from S3.
    Tar,
    /// A registry, through Docker.
    Registry,
}

/// Parses `ECS_INIT_AGENT_SOURCE`.
pub(super) fn agent_source(text: &str) -> Result<AgentSource> {
    match text {
        "tar" => Ok(AgentSource::Tar),
        "registry" => Ok(AgentSource::Registry),
        _ => Err(Error::invalid("not an agent source (use tar or registry)")),
    }
}

/// `ECS_INIT_SELINUX`: the SELinux options of the agent's container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selinux {
    /// `label=disable`: SELinux does not confine the container.
    Disable,
    /// `:Z` on the directories of logs and data: Docker labels them for this container alone.
    Relabel,
}

/// Parses `ECS_INIT_SELINUX`.
pub(super) fn selinux(text: &str) -> Result<Selinux> {
    match text {
        "disable" => Ok(Selinux::Disable),
        "relabel" => Ok(Selinux::Relabel),
        _ => Err(Error::invalid(
            "not an SELinux mode (use disable or relabel)",
        )),
    }
}

/// `ECS_INIT_FIREWALL`, unless it is `auto`: which tables the rules are written to.
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

/// Parses `ECS_INIT_FIREWALL`; `None` for `auto`.
pub(super) fn firewall(text: &str) -> Result<Option<Firewall>> {
    match text {
        "auto" => Ok(None),
        "iptables" => Ok(Some(Firewall::Iptables)),
        "nftables" => Ok(Some(Firewall::Nftables)),
        _ => Err(Error::invalid(
            "not a firewall (use auto, iptables or nftables)",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_source_is_case_sensitive() {
        assert_eq!(agent_source("registry").unwrap(), AgentSource::Registry);
        assert!(agent_source("Registry").is_err());
    }
}
