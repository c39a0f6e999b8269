//! Pure: configuration and host to the container to create. What the agent finds inside its
//! container, at the agent's own paths, is decided here and nowhere else.

mod environment;
mod mounts;

use crate::config::{Config, Selinux};
use crate::docker::spec::{ContainerSpec, HostConfig, LogConfig, Mount};
use crate::error::{Error, Kind, Result};
use crate::host::{Host, apparmor};

pub use mounts::paths;

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
///
/// # Errors
/// The AppArmor profile that the container should have is not loaded, and no other is allowed.
pub fn plan(config: &Config, host: &Host) -> Result<Plan> {
    let mut notes = Vec::new();
    let mounts = mounts::mounts(config, host, &mut notes);
    let (binds, mounts) = relabelled(config, mounts);
    let mut security_opt: Vec<_> = apparmor(config, host, &mut notes)?.into_iter().collect();
    security_opt.extend(selinux(config, host, &mut notes));
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
        // Set although they are defaults of some API version: they differ between versions, and
        // the container must not.
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
        env: environment::environment(config, host, &mut notes),
        labels: config.agent.labels.clone(),
        host_config,
        ..ContainerSpec::default()
    };
    Ok(Plan { container, notes })
}

/// The profile to confine the agent with. Naming one that is not loaded would keep the container
/// from starting, each time anew; leaving it out silently would confine the agent otherwise than
/// was asked for.
fn apparmor(config: &Config, host: &Host, notes: &mut Vec<String>) -> Result<Option<String>> {
    let profile = &config.agent.apparmor_profile;
    match &host.apparmor {
        None => Ok(None),
        Some(apparmor) if apparmor.has(profile) => Ok(Some(format!("apparmor:{profile}"))),
        Some(_) if config.agent.apparmor_fallback => {
            notes.push(format!(
                "the AppArmor profile {profile} is not loaded: the agent runs under Docker's own"
            ));
            Ok(None)
        }
        Some(_) => Err(Error::new(
            Kind::InvalidInput,
            apparmor::refusal(profile, ""),
        )),
    }
}

/// The container's label option. An enforcing SELinux that nobody has reckoned with keeps the
/// agent from Docker's socket, which looks like anything but SELinux.
fn selinux(config: &Config, host: &Host, notes: &mut Vec<String>) -> Option<String> {
    let agent = &config.agent;
    if agent.selinux == Some(Selinux::Disable) {
        return Some("label=disable".to_owned());
    }
    if host.selinux_enforcing && !agent.privileged {
        notes.push(
            "SELinux is enforcing and will keep the agent from Docker's socket: set \
             ECS_AGENT_RUN_PRIVILEGED=true, or ECS_INIT_SELINUX=disable"
                .to_owned(),
        );
    }
    None
}

/// With `ECS_INIT_SELINUX=relabel`, logs and data as binds: only those can say `:Z`.
fn relabelled(config: &Config, mounts: Vec<Mount>) -> (Vec<String>, Vec<Mount>) {
    if config.agent.selinux != Some(Selinux::Relabel) {
        return (Vec::new(), mounts);
    }
    let (ours, rest): (Vec<_>, Vec<_>) = mounts
        .into_iter()
        .partition(|m| m.target == "/log" || m.target == "/data");
    let bind = |m: Mount| format!("{}:{}:Z", m.source, m.target);
    (ours.into_iter().map(bind).collect(), rest)
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
