//! Pure: configuration and host to the container to create. What the agent finds inside its
//! container, at the agent's own paths, is decided here and nowhere else.

mod environment;
mod mounts;

use crate::config::Config;
use crate::docker::spec::{ContainerSpec, HostConfig, LogConfig};
use crate::host::Host;

pub use mounts::paths;

/// The container's name. There is one agent to a host.
pub const NAME: &str = "ecs-agent";

/// The capabilities that task networking needs: interfaces (`NET_ADMIN`), and `setns` into the
/// pause container's network namespace (`SYS_ADMIN`). See capabilities(7).
const CAPABILITIES: [&str; 2] = ["NET_ADMIN", "SYS_ADMIN"];

/// The container, and what had to be left out of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What to create.
    pub container: ContainerSpec,
    /// One line each: what is missing on the host, and what the agent cannot do without it.
    pub notes: Vec<String>,
}

/// Decides what the agent's container is. `host` must have been asked about [`paths`].
#[must_use]
pub fn plan(config: &Config, host: &Host) -> Plan {
    let mut notes = Vec::new();
    let mounts = mounts::mounts(config, host, &mut notes);
    let host_config = HostConfig {
        mounts,
        cap_add: if config.external {
            Vec::new()
        } else {
            CAPABILITIES.map(str::to_owned).to_vec()
        },
        network_mode: Some("host".to_owned()),
        userns_mode: Some("host".to_owned()),
        // Set although they are defaults of some API version: they differ between versions, and
        // the container must not.
        ipc_mode: Some("shareable".to_owned()),
        cgroupns_mode: Some("host".to_owned()),
        pid_mode: config.agent.pid_host.then(|| "host".to_owned()),
        privileged: config.agent.privileged,
        security_opt: apparmor(config, host, &mut notes).into_iter().collect(),
        log_config: Some(log_config(config)),
        init: Some(true),
        ..HostConfig::default()
    };
    let container = ContainerSpec {
        image: crate::image::IMAGE.to_owned(),
        env: environment::environment(config, host),
        labels: config.agent.labels.clone(),
        host_config,
        ..ContainerSpec::default()
    };
    Plan { container, notes }
}

/// The profile to confine the agent with: the one that is loaded. Naming one that is not would
/// keep the container from starting.
fn apparmor(config: &Config, host: &Host, notes: &mut Vec<String>) -> Option<String> {
    let profile = &config.agent.apparmor_profile;
    let loaded = host.apparmor.as_ref()?;
    if loaded.contains(profile) || profile == "unconfined" {
        return Some(format!("apparmor:{profile}"));
    }
    notes.push(format!(
        "the AppArmor profile {profile} is not loaded: the agent runs under Docker's default"
    ));
    None
}

/// The reference's rule: sizes are json-file's alone, and only where no options were given.
fn log_config(config: &Config) -> LogConfig {
    let agent = &config.agent;
    let options = match &agent.log_opts {
        Some(options) => options.clone(),
        None if agent.log_driver == "json-file" => [
            ("max-size".to_owned(), agent.log_file_size.clone()),
            ("max-file".to_owned(), agent.log_file_num.clone()),
        ]
        .into(),
        None => std::collections::BTreeMap::new(),
    };
    LogConfig {
        r#type: agent.log_driver.clone(),
        config: options,
    }
}

#[cfg(test)]
mod tests;
