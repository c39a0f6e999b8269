//! The agent's container, decided from configuration and host, without I/O.

mod environment;
mod mounts;

use crate::config::{Config, Selinux};
use crate::docker::spec::{ContainerSpec, HostConfig, LogConfig, Mount};
use crate::error::{Error, Result};
use crate::host::{Host, apparmor};

pub use mounts::paths;

/// The capabilities for task networking, see capabilities(7): interfaces (`NET_ADMIN`), and
/// setns(2) to the network namespace of the pause container (`SYS_ADMIN`).
const CAPABILITIES: [&str; 2] = ["NET_ADMIN", "SYS_ADMIN"];

/// The container to create, and what the host lacks for it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The container.
    pub container: ContainerSpec,
    /// Warnings: what is missing on the host, and what the agent cannot do without it.
    pub warnings: Vec<String>,
}

/// Plans the agent's container. `host` must have been read with [`paths`].
///
/// # Errors
/// [`crate::error::Kind::Unavailable`] if the configured AppArmor profile is not loaded, and the
/// configuration allows no other.
pub fn plan(config: &Config, host: &Host) -> Result<Plan> {
    let mut warnings = Vec::new();
    let mounts = mounts::mounts(config, host, &mut warnings);
    let (binds, mounts) = relabeled(config, mounts);
    let mut security_opt: Vec<_> = apparmor(config, host, &mut warnings)?.into_iter().collect();
    security_opt.extend(selinux(config, host, &mut warnings));
    let host_config = HostConfig {
        binds,
        mounts,
        cap_add: if config.external {
            Vec::new()
        } else {
            CAPABILITIES.map(str::to_owned).to_vec()
        },
        network_mode: Some("host".to_owned()),
        userns_mode: Some("host".to_owned()),
        // Explicit, because the defaults depend on the API version.
        ipc_mode: Some("shareable".to_owned()),
        cgroupns_mode: Some("host".to_owned()),
        pid_mode: config.agent.pid_host.then(|| "host".to_owned()),
        privileged: config.agent.privileged,
        security_opt,
        log_config: Some(log_config(config)),
        init: Some(true),
    };
    let container = ContainerSpec {
        image: crate::image::IMAGE.to_owned(),
        env: environment::environment(config, host, &mut warnings),
        labels: config.agent.labels.clone(),
        host_config,
        ..ContainerSpec::default()
    };
    Ok(Plan {
        container,
        warnings,
    })
}

/// The option for the AppArmor profile, if the profile is loaded: Docker does not start a container
/// with a profile that is not loaded, and uses its own profile for a container without the option.
fn apparmor(config: &Config, host: &Host, warnings: &mut Vec<String>) -> Result<Option<String>> {
    let profile = &config.agent.apparmor_profile;
    match &host.apparmor {
        None => Ok(None),
        Some(apparmor) if apparmor.has(profile) => Ok(Some(format!("apparmor:{profile}"))),
        Some(_) if config.agent.apparmor_fallback => {
            warnings.push(format!(
                "the agent runs with Docker's AppArmor profile: {profile} is not loaded"
            ));
            Ok(None)
        }
        Some(_) => Err(Error::unavailable(apparmor::not_loaded(profile))),
    }
}

/// The SELinux label option. Warns if SELinux will deny the agent access to Docker's socket: the
/// agent's own error does not mention SELinux.
fn selinux(config: &Config, host: &Host, warnings: &mut Vec<String>) -> Option<String> {
    let agent = &config.agent;
    if agent.selinux == Some(Selinux::Disable) {
        return Some("label=disable".to_owned());
    }
    if host.selinux_enforcing && !agent.privileged {
        warnings.push(
            "SELinux is enforcing and denies the agent access to Docker's socket: set \
             ECS_AGENT_RUN_PRIVILEGED=true or ECS_INIT_SELINUX=disable"
                .to_owned(),
        );
    }
    None
}

/// With `ECS_INIT_SELINUX=relabel`, moves the mounts of logs and data to `Binds`, which have the
/// option `:Z`; `Mounts` have no such option.
fn relabeled(config: &Config, mounts: Vec<Mount>) -> (Vec<String>, Vec<Mount>) {
    if config.agent.selinux != Some(Selinux::Relabel) {
        return (Vec::new(), mounts);
    }
    let (relabeled, rest): (Vec<_>, Vec<_>) = mounts
        .into_iter()
        .partition(|m| m.target == "/log" || m.target == "/data");
    let bind = |m: Mount| format!("{}:{}:Z", m.source, m.target);
    (relabeled.into_iter().map(bind).collect(), rest)
}

/// As in Amazon's ecs-init: the sizes apply to json-file only, and only without explicit options.
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
