//! The mounts of the agent's container. A mount whose source does not exist is omitted, with a
//! warning; Docker's `Binds` would create the source as an empty directory.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::docker::spec::Mount;
use crate::host::gpu::DIRECTORY as GPU;
use crate::host::{CertStore, EBS_DIRECTORY, EXEC_CONFIG, Host, ROTATING_CREDENTIALS};

/// What to do if the source of a mount does not exist.
#[derive(Debug, Clone, Copy)]
enum IfMissing {
    /// Nothing: many hosts do not have it.
    Ignore,
    /// Warn that the agent runs without this feature.
    Without(&'static str),
}

use IfMissing::{Ignore, Without};

#[derive(Clone, Copy)]
struct Row<'a> {
    source: &'a str,
    target: &'a str,
    read_only: bool,
    missing: IfMissing,
}

const fn rw<'a>(source: &'a str, target: &'a str, missing: IfMissing) -> Row<'a> {
    Row {
        source,
        target,
        read_only: false,
        missing,
    }
}

const fn ro<'a>(source: &'a str, target: &'a str, missing: IfMissing) -> Row<'a> {
    Row {
        read_only: true,
        ..rw(source, target, missing)
    }
}

/// The mounts of every host, in the order of Amazon's ecs-init.
const ROWS: [Row<'static>; 24] = [
    rw("/var/log/ecs", "/log", Without("logs on the host")),
    rw(
        "/var/lib/ecs/data",
        "/data",
        Without("state across restarts"),
    ),
    rw("/etc/ecs", "/etc/ecs", Without("its configuration file")),
    rw("/var/cache/ecs", "/var/cache/ecs", Without("updates")),
    rw(
        "/sys/fs/cgroup",
        "/sys/fs/cgroup",
        Without("task resource limits"),
    ),
    rw(
        "/var/lib/ecs",
        "/var/lib/ecs",
        Without("state of its helpers"),
    ),
    rw("/var/log/ecs/exec", "/log/exec", Without("ECS Exec logs")),
    ro("/run/docker/plugins", "/run/docker/plugins", Ignore),
    ro("/etc/docker/plugins", "/etc/docker/plugins", Ignore),
    ro("/usr/lib/docker/plugins", "/usr/lib/docker/plugins", Ignore),
    ro("/proc", "/host/proc", Without("awsvpc task networking")),
    // The host's iptables with its libraries, which the agent runs for awsvpc tasks.
    ro("/usr/lib", "/usr/lib", Without("the host's iptables")),
    ro("/lib", "/lib", Without("the host's iptables")),
    ro("/usr/lib64", "/usr/lib64", Ignore),
    ro("/lib64", "/lib64", Ignore),
    ro("/sbin", "/host/sbin", Without("the host's iptables")),
    ro("/etc/alternatives", "/etc/alternatives", Ignore),
    ro("/usr/sbin", "/usr/sbin", Without("the host's iptables")),
    rw(
        "/usr/bin/lsblk",
        "/usr/bin/lsblk",
        Without("EBS volumes of tasks"),
    ),
    rw(
        "/usr/bin/nsenter",
        "/usr/bin/nsenter",
        Without("fault injection"),
    ),
    ro("/var/lib/ecs/deps", "/managed-agents", Without("ECS Exec")),
    rw(
        EXEC_CONFIG,
        "/managed-agents/execute-command/config",
        Ignore,
    ),
    rw("/sbin/modinfo", "/sbin/modinfo", Ignore),
    rw("/usr/sbin/modinfo", "/usr/sbin/modinfo", Ignore),
];

const CLOUD_INIT_RESULT: &str = "/var/lib/cloud/data/result.json";
/// The directory of the Docker socket: a restarted dockerd creates a new socket.
const RUN: &str = "/var/run";
/// systemd's sockets, for task resource limits with the systemd cgroup driver.
const SYSTEMD: &str = "/run/systemd";
const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// The paths whose existence [`super::plan`] depends on, for [`Host::read`].
pub fn paths(config: &Config) -> Vec<PathBuf> {
    let fixed = [
        CLOUD_INIT_RESULT,
        GPU,
        ROTATING_CREDENTIALS,
        RUN,
        SYSTEMD,
        EBS_DIRECTORY,
        super::environment::VOLUME_PLUGIN,
    ];
    let stores = [CertStore::EtcPki, CertStore::EtcSsl].map(CertStore::directory);
    ROWS.iter()
        .map(|row| row.source)
        .chain(fixed)
        .chain(stores)
        .map(PathBuf::from)
        .chain([
            config.docker_socket.to_path_buf(),
            config.agent.credentials_fetcher.clone(),
        ])
        .collect()
}

/// The mounts. Adds a warning for each missing source of a feature.
pub(super) fn mounts(config: &Config, host: &Host, warnings: &mut Vec<String>) -> Vec<Mount> {
    let socket = config.docker_socket.to_string_lossy();
    let fetcher = config.agent.credentials_fetcher.to_string_lossy();
    let target = config.agent_docker_socket.as_deref();
    let target = target.map(Path::to_string_lossy);
    let mut rows = if config.docker_socket.as_path() == Path::new(DOCKER_SOCKET) {
        vec![rw(RUN, RUN, Without("Docker"))]
    } else {
        // The agent uses the DOCKER_HOST of the configuration files.
        let target = target.as_deref().unwrap_or(DOCKER_SOCKET);
        // SYSTEMD is part of /var/run, which is not mounted here.
        let docker = rw(&socket, target, Without("Docker"));
        vec![docker, rw(SYSTEMD, SYSTEMD, Ignore)]
    };
    // The first modinfo is enough.
    let is_other_modinfo =
        |row: &Row| row.source == "/usr/sbin/modinfo" && host.has("/sbin/modinfo");
    rows.extend(ROWS.into_iter().filter(|row| !is_other_modinfo(row)));
    if let Some(store) = host.cert_store {
        rows.push(ro(store.directory(), store.directory(), Ignore));
    }
    rows.push(if config.external {
        let missing = Without("the rotating credentials of an external instance");
        ro(ROTATING_CREDENTIALS, "/rotatingcreds", missing)
    } else {
        ro(CLOUD_INIT_RESULT, CLOUD_INIT_RESULT, Ignore)
    });
    if config.agent.gpu && host.gpu {
        rows.push(rw(GPU, GPU, Without("GPUs")));
    }
    if config.agent.gmsa {
        rows.push(rw(&fetcher, &fetcher, Without("gMSA credentials")));
    }
    let mut mounts = Vec::new();
    for row in rows {
        let source = row.source;
        if host.has(source) {
            let mount = Mount::bind(source, row.target);
            mounts.push(if row.read_only {
                mount.read_only()
            } else {
                mount
            });
        } else if let Without(what) = row.missing {
            warnings.push(format!(
                "{source} does not exist: the agent runs without {what}"
            ));
        }
    }
    mounts
}
