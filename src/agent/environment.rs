//! The agent's environment: what the host is and can, overridden by the lines of the
//! configuration files, overridden by what cannot be otherwise.
//!
//! The cluster places tasks by what the agent says it can do. Hence nothing is offered here that
//! this host lacks: a task would be placed and fail.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::host::{EBS_DIRECTORY, Host};

/// What every host offers.
const ALWAYS: [(&str, &str); 11] = [
    ("ECS_AGENT_CONFIG_FILE_PATH", "/etc/ecs/ecs.config.json"),
    ("ECS_AGENT_LABELS", ""),
    (
        "ECS_AVAILABLE_LOGGING_DRIVERS",
        r#"["json-file","syslog","awslogs","fluentd","none"]"#,
    ),
    ("ECS_DATADIR", "/data"),
    ("ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE", "true"),
    ("ECS_ENABLE_TASK_ENI", "true"),
    ("ECS_ENABLE_TASK_IAM_ROLE", "true"),
    ("ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", "true"),
    ("ECS_LOGFILE", "/log/ecs-agent.log"),
    ("ECS_UPDATES_ENABLED", "true"),
    ("ECS_UPDATE_DOWNLOAD_DIR", "/var/cache/ecs"),
];

/// The Amazon ECS volume plugin's socket: it mounts EFS with authorization.
pub const VOLUME_PLUGIN: &str = "/run/docker/plugins/amazon-ecs-volume-plugin.sock";

/// `KEY=VALUE` lines, sorted by key.
pub fn environment(config: &Config, host: &Host, notes: &mut Vec<String>) -> Vec<String> {
    let mut all: BTreeMap<String, String> = ALWAYS
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let mut set = |key: &str, value: &str| {
        all.insert(key.to_owned(), value.to_owned());
    };
    set("ECS_DETAILED_OS_FAMILY", &host.os_family);
    set(
        "CREDENTIALS_FETCHER_HOST_DIR",
        &config.agent.credentials_fetcher.to_string_lossy(),
    );
    if let Some(pki) = host.pki {
        set("SSL_CERT_DIR", pki.certificates());
    }
    for (key, value) in capabilities(config, host, notes) {
        set(key, value);
    }
    for (key, value) in &config.agent.environment {
        set(key, value);
    }
    if config.external {
        // An elastic network interface is a thing of EC2.
        set("ECS_ENABLE_TASK_ENI", "false");
    }
    if config.agent.gpu && !host.gpu {
        // An agent that is to offer GPUs and finds none does not start.
        all.remove("ECS_ENABLE_GPU_SUPPORT");
        notes.push(
            "there is no NVIDIA GPU: the agent runs without ECS_ENABLE_GPU_SUPPORT".to_owned(),
        );
    }
    all.into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

/// What this host can, each unless the user has said it himself.
fn capabilities(
    config: &Config,
    host: &Host,
    notes: &mut Vec<String>,
) -> Vec<(&'static str, &'static str)> {
    let said = |key: &str| config.agent.environment.contains_key(key);
    let mut note = |key: &str, why: &str| {
        if !said(key) {
            notes.push(why.to_owned());
        }
    };
    let mut offered = Vec::new();
    if host.has(VOLUME_PLUGIN) {
        offered.push(("ECS_VOLUME_PLUGIN_CAPABILITIES", r#"["efsAuth"]"#));
    } else {
        note(
            "ECS_VOLUME_PLUGIN_CAPABILITIES",
            "the Amazon ECS volume plugin is not there: the agent does not offer efsAuth",
        );
    }
    let ebs = host.has(EBS_DIRECTORY);
    offered.push(("ECS_EBSTA_SUPPORTED", if ebs { "true" } else { "false" }));
    if !ebs {
        note(
            "ECS_EBSTA_SUPPORTED",
            "/mnt/ecs/ebs is not there: the agent does not offer EBS volumes",
        );
    }
    // With one hierarchy the agent asks systemd for the tasks' cgroups, and no task starts where
    // nobody answers.
    if host.cgroup_unified && !host.systemd {
        offered.push(("ECS_ENABLE_TASK_CPU_MEM_LIMIT", "false"));
        note(
            "ECS_ENABLE_TASK_CPU_MEM_LIMIT",
            "cgroups are unified and systemd is not process 1: tasks get no limits of their own \
             (their containers do)",
        );
    }
    if config.agent.gmsa && host.domain_joined {
        offered.push(("ECS_DOMAIN_JOINED_LINUX_INSTANCE", "true"));
    }
    offered
}
