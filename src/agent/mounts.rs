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

struct Row {
    source: &'static str,
    target: &'static str,
    read_only: bool,
    missing: IfMissing,
}

const fn rw(source: &'static str, target: &'static str, missing: IfMissing) -> Row {
    Row {
        source,
        target,
        read_only: false,
        missing,
    }
}

const fn ro(source: &'static str, target: &'static str, missing: IfMissing) -> Row {
    Row {
        source,
        target,
        read_only: true,
        missing,
    }
}

/// The mounts of every host, in the order of Amazon's ecs-init.
const ROWS: [Row; 24] = [
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
    let mut mounts = Vec::new();
    let mut add = |source: &Path, target: &Path, read_only: bool, missing: IfMissing| {
        if host.has(source) {
            let mount = Mount::bind(source.to_string_lossy(), target.to_string_lossy());
            mounts.push(if read_only { mount.read_only() } else { mount });
        } else if let Without(what) = missing {
            warnings.push(format!(
                "{} does not exist: the agent runs without {what}",
                source.display()
            ));
        }
    };
    docker_socket(config, &mut add);
    for row in &ROWS {
        // The first modinfo is enough.
        if row.source == "/usr/sbin/modinfo" && host.has("/sbin/modinfo") {
            continue;
        }
        add(
            row.source.as_ref(),
            row.target.as_ref(),
            row.read_only,
            row.missing,
        );
    }
    if let Some(store) = host.cert_store {
        let directory = Path::new(store.directory());
        add(directory, directory, true, Ignore);
    }
    if config.external {
        let missing = Without("the rotating credentials of an external instance");
        add(
            ROTATING_CREDENTIALS.as_ref(),
            "/rotatingcreds".as_ref(),
            true,
            missing,
        );
    } else {
        let result = Path::new(CLOUD_INIT_RESULT);
        add(result, result, true, Ignore);
    }
    if config.agent.gpu && host.gpu {
        add(GPU.as_ref(), GPU.as_ref(), false, Without("GPUs"));
    }
    if config.agent.gmsa {
        let socket = &config.agent.credentials_fetcher;
        add(socket, socket, false, Without("gMSA credentials"));
    }
    mounts
}

/// Mounts Docker's socket.
fn docker_socket(config: &Config, add: &mut impl FnMut(&Path, &Path, bool, IfMissing)) {
    let missing = Without("Docker");
    if config.docker_socket.as_path() == Path::new(DOCKER_SOCKET) {
        add(RUN.as_ref(), RUN.as_ref(), false, missing);
        return;
    }
    // The agent uses the DOCKER_HOST of the configuration files.
    let target = config
        .agent_docker_socket
        .as_deref()
        .unwrap_or(DOCKER_SOCKET.as_ref());
    add(&config.docker_socket, target, false, missing);
    // Part of /var/run, which is not mounted here.
    add(SYSTEMD.as_ref(), SYSTEMD.as_ref(), false, Ignore);
}
