//! The container to create, as `POST /containers/create` takes it (Engine API 1.25 to 1.44).
//! What is `None` or empty is left out, so that dockerd's default holds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

/// The body of `POST /containers/create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSpec {
    /// The image, by name or id.
    pub image: String,
    /// `NAME=value`, in the order given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The command; empty: the image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// `51678/tcp`, for documentation only.
    #[serde(
        skip_serializing_if = "BTreeSet::is_empty",
        serialize_with = "as_members"
    )]
    pub exposed_ports: BTreeSet<String>,
    /// How it is run on this host.
    pub host_config: HostConfig,
}

/// How the API writes a set: an object whose members are empty objects.
fn as_members<S: Serializer>(set: &BTreeSet<String>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Empty {}
    to.collect_map(set.iter().map(|name| (name, Empty {})))
}

/// `HostConfig`: how a container is run on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostConfig {
    /// `source:target[:ro]`. dockerd makes a missing source, as a directory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<String>,
    /// Mounts. A missing source is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Capabilities to add, without `CAP_`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// Capabilities to drop, without `CAP_`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    /// `host`, `bridge`, `none` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// `host`: not remapped even where dockerd remaps users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userns_mode: Option<String>,
    /// `host`: the host's processes are seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid_mode: Option<String>,
    /// `private`, `shareable`, `host`; the default has changed with the API version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc_mode: Option<String>,
    /// `private` or `host`, from API 1.41 on; the default depends on the host's cgroups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroupns_mode: Option<String>,
    /// An init in the container that forwards signals and reaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// All capabilities and devices.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub privileged: bool,
    /// `apparmor:<profile>` and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    /// Where its output goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_config: Option<LogConfig>,
    /// −1000 to 1000: the kernel's choice when memory runs out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i16>,
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

/// `HostConfig.Mounts[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mount {
    /// What kind.
    pub r#type: MountType,
    /// The host's path.
    pub source: String,
    /// The container's path.
    pub target: String,
    /// Whether the container can only read it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// What only a bind has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
}

impl Mount {
    /// A bind of the host's `source` to the container's `target`.
    pub fn bind(source: impl Into<String>, target: impl Into<String>) -> Self {
        Mount {
            r#type: MountType::Bind,
            source: source.into(),
            target: target.into(),
            read_only: false,
            bind_options: None,
        }
    }

    /// The same, read-only. What is mounted below the source stays writable, as it was on every
    /// Engine before API 1.44, so that all versions do the same.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        let options = self.bind_options.get_or_insert_with(BindOptions::default);
        options.read_only_non_recursive = true;
        self
    }

    /// The same, with mounts passed on between host and container.
    #[must_use]
    pub fn propagation(mut self, propagation: Propagation) -> Self {
        let options = self.bind_options.get_or_insert_with(BindOptions::default);
        options.propagation = Some(propagation);
        self
    }
}

/// `Mounts[].Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountType {
    /// A path of the host.
    Bind,
    /// Memory.
    Tmpfs,
}

/// `Mounts[].BindOptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BindOptions {
    /// Which mounts are passed on; dockerd's default is `rprivate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
    /// From API 1.44 on a read-only bind is read-only all the way down; this takes it back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_non_recursive: bool,
    /// From API 1.44 on: fail rather than leave a submount writable.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_force_recursive: bool,
}

/// `BindOptions.Propagation` (`mount_namespaces(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// None.
    Rprivate,
    /// The host's mounts reach the container.
    Rslave,
    /// Both ways.
    Rshared,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_set_is_not_sent() {
        let spec = ContainerSpec {
            image: "a:b".into(),
            ..ContainerSpec::default()
        };
        let sent = serde_json::to_value(spec).unwrap();
        assert_eq!(sent, json!({"Image": "a:b", "HostConfig": {}}));
    }

    #[test]
    fn names_are_written_as_the_api_has_them() {
        let spec = ContainerSpec {
            image: "a".into(),
            exposed_ports: ["51678/tcp".to_owned()].into(),
            host_config: HostConfig {
                mounts: vec![
                    Mount::bind("/proc", "/host/proc")
                        .read_only()
                        .propagation(Propagation::Rslave),
                ],
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
            "ExposedPorts": {"51678/tcp": {}},
            "HostConfig": {
                "Mounts": [{
                    "Type": "bind", "Source": "/proc", "Target": "/host/proc", "ReadOnly": true,
                    "BindOptions": {"Propagation": "rslave", "ReadOnlyNonRecursive": true},
                }],
                "UsernsMode": "host",
                "CgroupnsMode": "host",
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "16m"}},
            },
        });
        assert_eq!(sent, want);
    }
}
