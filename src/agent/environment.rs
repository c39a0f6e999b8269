//! The agent's environment: what the host is and what ecs-init offers, overridden by the lines of
//! the configuration files, overridden by what cannot be otherwise.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::host::{EBS_DIRECTORY, Host};

/// What every host offers.
const ALWAYS: [(&str, &str); 13] = [
    ("ECS_AGENT_CONFIG_FILE_PATH", "/etc/ecs/ecs.config.json"),
    ("ECS_AGENT_LABELS", ""),
    (
        "ECS_AVAILABLE_LOGGING_DRIVERS",
        r#"["json-file","syslog","awslogs","fluentd","none"]"#,
    ),
    ("ECS_DATADIR", "/data"),
    ("ECS_EBSTA_SUPPORTED", "true"),
    ("ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE", "true"),
    ("ECS_ENABLE_TASK_ENI", "true"),
    ("ECS_ENABLE_TASK_IAM_ROLE", "true"),
    ("ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST", "true"),
    ("ECS_LOGFILE", "/log/ecs-agent.log"),
    ("ECS_UPDATES_ENABLED", "true"),
    ("ECS_UPDATE_DOWNLOAD_DIR", "/var/cache/ecs"),
    ("ECS_VOLUME_PLUGIN_CAPABILITIES", r#"["efsAuth"]"#),
];

/// `KEY=VALUE` lines, sorted by key.
pub fn environment(config: &Config, host: &Host) -> Vec<String> {
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
    for (key, value) in &config.agent.environment {
        set(key, value);
    }
    if config.external {
        // An elastic network interface is a thing of EC2.
        set("ECS_ENABLE_TASK_ENI", "false");
    }
    if !host.has(EBS_DIRECTORY) {
        set("ECS_EBSTA_SUPPORTED", "false");
    }
    all.into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}
