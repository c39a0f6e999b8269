//! The container to create: the body of `POST /containers/create` (Engine API 1.25 to 1.44). A
//! field that is `None` or empty is not sent: dockerd's default applies.

use std::collections::BTreeMap;

use serde::Serialize;

/// The body of `POST /containers/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSpec {
    /// The image, by name or ID.
    pub image: String,
    /// `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The command; if empty, the image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The settings that depend on the host.
    pub host_config: HostConfig,
}

/// `HostConfig`: the settings that depend on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfig {
    /// `source:target[:options]`. dockerd creates a missing source as a directory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<String>,
    /// Bind mounts. A missing source is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Capabilities to add, without `CAP_`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// `host`, `bridge`, `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// `host`: not remapped, even if dockerd remaps users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_mode: Option<String>,
    /// `host`: the container sees the host's processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_mode: Option<String>,
    /// `private`, `shareable`, `host`; the default depends on the API version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc_mode: Option<String>,
    /// `private` or `host`, since API 1.41; the default depends on the host's cgroup version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroupns_mode: Option<String>,
    /// Whether an init process forwards signals and reaps zombies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// All capabilities and devices.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// `apparmor:<profile>`, `label=disable`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    /// Where the output goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_config: Option<LogConfig>,
}

/// `HostConfig.LogConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct LogConfig {
    /// The driver.
    pub r#type: String,
    /// The driver's options.
    pub config: BTreeMap<String, String>,
}

/// A bind mount of `HostConfig.Mounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mount {
    r#type: &'static str,
    /// The path on the host.
    pub source: String,
    /// The path in the container.
    pub target: String,
    /// Whether the container can only read it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bind_options: Option<BindOptions>,
}

impl Mount {
    /// Mounts the host's `source` at the container's `target`.
    pub fn bind(source: impl Into<String>, target: impl Into<String>) -> Self {
        Mount {
            r#type: "bind",
            source: source.into(),
            target: target.into(),
            read_only: false,
            bind_options: None,
        }
    }

    /// The same, read-only. Mounts below the source stay writable, as in every Engine before API
    /// 1.44.
    #[must_use]
    pub fn read_only(self) -> Self {
        Mount {
            read_only: true,
            bind_options: Some(BindOptions {
                read_only_non_recursive: true,
            }),
            ..self
        }
    }
}

/// `Mounts[].BindOptions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BindOptions {
    /// Since API 1.44 a read-only mount is recursive, unless this is set.
    read_only_non_recursive: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn empty_fields_are_not_sent() {
        let spec = ContainerSpec {
            image: "a:b".into(),
            ..ContainerSpec::default()
        };
        let sent = serde_json::to_value(spec).unwrap();
        assert_eq!(sent, json!({"Image": "a:b", "HostConfig": {}}));
    }

    #[test]
    fn field_names_of_engine_api() {
        let spec = ContainerSpec {
            image: "a".into(),
            host_config: HostConfig {
                mounts: vec![Mount::bind("/proc", "/host/proc").read_only()],
                userns_mode: Some("host".into()),
                cgroupns_mode: Some("host".into()),
                log_config: Some(LogConfig {
                    r#type: "json-file".into(),
                    config: [("max-size".to_owned(), "16m".to_owned())].into(),
                }),
                ..HostConfig::default()
            },
            ..ContainerSpec::default()
        };
        let sent = serde_json::to_value(spec).unwrap();
        let want = json!({
            "Image": "a",
            "HostConfig": {
                "Mounts": [{
                    "Type": "bind", "Source": "/proc", "Target": "/host/proc", "ReadOnly": true,
                    "BindOptions": {"ReadOnlyNonRecursive": true},
                }],
                "UsernsMode": "host",
                "CgroupnsMode": "host",
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "16m"}},
            },
        });
        assert_eq!(sent, want);
    }
}
