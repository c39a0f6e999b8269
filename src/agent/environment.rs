//! The agent's environment: the properties of the host, overridden by the configuration files. A
//! few variables that cannot work on this host override both.
//!
//! ECS places tasks by the capabilities that the agent registers. A capability that the host lacks
//! must not be registered: a task that needs it would be placed here and fail.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::host::{EBS_DIRECTORY, Host};

/// The same on every host.
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

/// The socket of the Amazon ECS volume plugin, which mounts EFS with authorization.
pub(super) const VOLUME_PLUGIN: &str = "/run/docker/plugins/amazon-ecs-volume-plugin.sock";

/// `KEY=VALUE` lines, sorted by key.
pub(super) fn environment(config: &Config, host: &Host, warnings: &mut Vec<String>) -> Vec<String> {
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
    if let Some(store) = host.cert_store {
        set("SSL_CERT_DIR", store.certificates());
    }
    for (key, value) in capabilities(config, host, warnings) {
        set(key, value);
    }
    for (key, value) in &config.agent.environment {
        set(key, value);
    }
    if config.external {
        // Elastic network interfaces exist on EC2 only.
        set("ECS_ENABLE_TASK_ENI", "false");
    }
    if config.agent.gpu && !host.gpu {
        // With the variable, an agent without GPUs does not start.
        all.remove("ECS_ENABLE_GPU_SUPPORT");
        warnings
            .push("no NVIDIA GPU found: the agent runs without ECS_ENABLE_GPU_SUPPORT".to_owned());
    }
    all.into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

/// The capabilities of this host. Does not warn about one that the configuration sets.
fn capabilities(
    config: &Config,
    host: &Host,
    warnings: &mut Vec<String>,
) -> Vec<(&'static str, &'static str)> {
    let is_set = |key: &str| config.agent.environment.contains_key(key);
    let mut warn_unless_set = |key: &str, why: &str| {
        if !is_set(key) {
            warnings.push(why.to_owned());
        }
    };
    let mut capabilities = Vec::new();
    if host.has(VOLUME_PLUGIN) {
        capabilities.push(("ECS_VOLUME_PLUGIN_CAPABILITIES", r#"["efsAuth"]"#));
    } else {
        warn_unless_set(
            "ECS_VOLUME_PLUGIN_CAPABILITIES",
            "the Amazon ECS volume plugin does not run: the agent does not register efsAuth",
        );
    }
    let ebs = host.has(EBS_DIRECTORY);
    capabilities.push(("ECS_EBSTA_SUPPORTED", if ebs { "true" } else { "false" }));
    if !ebs {
        warn_unless_set(
            "ECS_EBSTA_SUPPORTED",
            "/mnt/ecs/ebs does not exist: the agent does not register EBS volumes",
        );
    }
    // With cgroup v2 the agent creates the cgroups of tasks through systemd, and without systemd no
    // task starts.
    if host.cgroup_v2 && !host.systemd {
        capabilities.push(("ECS_ENABLE_TASK_CPU_MEM_LIMIT", "false"));
        warn_unless_set(
            "ECS_ENABLE_TASK_CPU_MEM_LIMIT",
            "cgroup v2 without systemd: CPU and memory limits of tasks are not applied (those of \
             containers are)",
        );
    }
    if config.agent.gmsa && host.domain_joined {
        capabilities.push(("ECS_DOMAIN_JOINED_LINUX_INSTANCE", "true"));
    }
    capabilities
}
