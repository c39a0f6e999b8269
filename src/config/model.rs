//! The parsed configuration. `variables` has names, defaults and meanings.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::choice::{AgentSource, Firewall, Selinux};
use super::origin::Setting;
use crate::error::{Error, Result};
use crate::types::{AgentVersion, Root};

/// The whole configuration. Immutable: to change it, read it again.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ECS_INIT_ROOT`.
    pub root: Root,
    /// `ECS_LOGLEVEL`.
    pub log_level: LevelFilter,
    /// `DOCKER_HOST`: dockerd's socket. Not below `root`.
    pub docker_socket: Setting<PathBuf>,
    /// `DOCKER_HOST` in the *files*: where the agent expects the socket inside its container.
    pub agent_docker_socket: Option<PathBuf>,
    /// `ECS_INIT_DOCKER_WAIT`.
    pub docker_wait: Duration,
    /// `ECS_INIT_WAIT_FOR`.
    pub wait_for: Vec<PathBuf>,
    /// `ECS_INIT_WAIT_FOR_TIMEOUT`.
    pub wait_for_timeout: Duration,
    /// `NOTIFY_SOCKET`.
    pub notify_socket: Option<String>,
    /// `ECS_EXTERNAL`.
    pub external: bool,
    /// `ECS_INIT_REGION`, else `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: Option<Setting<String>>,
    /// The layer that `ECS_INIT_CONFIG_S3` names.
    pub s3: Option<S3Layer>,

    /// How the agent's image is found and trusted.
    pub source: SourceConfig,
    /// HTTP: proxies, certificates, endpoints.
    pub web: WebConfig,
    /// Firewall rules and sysctls.
    pub network: NetworkConfig,
    /// The agent's container.
    pub agent: AgentConfig,
}

impl Config {
    /// # Errors
    /// `ECS_INIT_WAIT_FOR` has a relative path: without it, the program would wait for too little.
    pub fn check_wait_for(&self) -> Result<()> {
        match self.wait_for.iter().find(|path| !path.is_absolute()) {
            None => Ok(()),
            Some(path) => Err(Error::invalid(format!(
                "ECS_INIT_WAIT_FOR: not an absolute path: '{}'",
                path.display()
            ))),
        }
    }
}

/// How the agent's image is found and trusted.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// `ECS_INIT_AGENT_SOURCE`.
    pub agent: AgentSource,
    /// `ECS_INIT_AGENT_IMAGE`, not parsed: an invalid one is an error, not the default image.
    pub image: Setting<String>,
    /// `DOCKER_CONFIG`: its `config.json` may have the registry's credentials.
    pub docker_config: PathBuf,
    /// `ECS_INIT_AGENT_VERSION`.
    pub version: AgentVersion,
    /// `ECS_INIT_AGENT_TAR`.
    pub tar: Option<Setting<PathBuf>>,
    /// `ECS_INIT_MIRROR`.
    pub mirror: Option<Setting<String>>,
    /// `ECS_INIT_KEYRING`.
    pub keyring: Option<Setting<PathBuf>>,
    /// `ECS_INIT_ALLOW_UNSIGNED`.
    pub allow_unsigned: Setting<bool>,
    /// `ECS_INIT_REQUIRE_SIGNED_UPDATES`.
    pub require_signed_updates: Setting<bool>,
    /// `ECS_INIT_DOWNLOAD_LIMIT`, in bytes.
    pub download_limit: u64,
    /// `ECS_INIT_RETRY_TIME`.
    pub retry_time: Duration,
}

/// HTTP: proxies, certificates, endpoints.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// `HTTP_PROXY`, else `http_proxy`.
    pub http_proxy: Option<Setting<String>>,
    /// `HTTPS_PROXY`, else `https_proxy`.
    pub https_proxy: Option<Setting<String>>,
    /// `NO_PROXY`, else `no_proxy`.
    pub no_proxy: Option<Setting<String>>,
    /// `AWS_CA_BUNDLE`, else `SSL_CERT_FILE`.
    pub ca_bundle: Option<Setting<PathBuf>>,
    /// `AWS_USE_DUALSTACK_ENDPOINT`.
    pub dualstack: bool,
    /// `AWS_USE_FIPS_ENDPOINT`.
    pub fips: bool,
    /// `AWS_ENDPOINT_URL_S3`.
    pub s3_endpoint: Option<Setting<String>>,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub imds_endpoint: Option<Setting<String>>,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` is IPv6.
    pub imds_ipv6: bool,
    /// `AWS_EC2_METADATA_DISABLED`.
    pub imds_disabled: bool,
}

/// Firewall rules and sysctls.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// `ECS_SKIP_LOCALHOST_TRAFFIC_FILTER`.
    pub skip_localhost_filter: bool,
    /// `ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS`.
    pub allow_offhost_introspection: bool,
    /// `ECS_INIT_FIREWALL`; `None`: iptables' tables if the kernel supports its encoding.
    pub firewall: Option<Firewall>,
    /// `ECS_INIT_BLOCK_IMDS`.
    pub block_imds: bool,
}

impl NetworkConfig {
    /// No variable set.
    pub const DEFAULT: NetworkConfig = NetworkConfig {
        skip_localhost_filter: false,
        allow_offhost_introspection: false,
        firewall: None,
        block_imds: false,
    };
}

/// The agent's container.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The agent's environment: all variables of the files, and the forwarded ones.
    pub environment: BTreeMap<String, String>,
    /// `ECS_AGENT_RUN_PRIVILEGED`.
    pub privileged: bool,
    /// `ECS_AGENT_PID_NAMESPACE_HOST`.
    pub pid_host: bool,
    /// `ECS_AGENT_APPARMOR_PROFILE`.
    pub apparmor_profile: String,
    /// `ECS_INIT_APPARMOR_FALLBACK=docker-default`. Without it, a profile that cannot be loaded is
    /// an error.
    pub apparmor_fallback: bool,
    /// `ECS_INIT_SELINUX`.
    pub selinux: Option<Selinux>,
    /// `ECS_LOG_DRIVER`.
    pub log_driver: String,
    /// `ECS_LOG_OPTS`.
    pub log_opts: Option<BTreeMap<String, String>>,
    /// `ECS_INIT_DOCKER_LOG_FILE_SIZE`: json-file's `max-size`.
    pub log_file_size: String,
    /// `ECS_INIT_DOCKER_LOG_FILE_NUM`: json-file's `max-file`.
    pub log_file_num: String,
    /// `ECS_AGENT_LABELS`.
    pub labels: BTreeMap<String, String>,
    /// `ECS_GMSA_SUPPORTED`.
    pub gmsa: bool,
    /// `CREDENTIALS_FETCHER_HOST`.
    pub credentials_fetcher: PathBuf,
    /// `ECS_ENABLE_GPU_SUPPORT`.
    pub gpu: bool,
}

/// The layer of configuration that `ECS_INIT_CONFIG_S3` names.
#[derive(Debug, Clone)]
pub struct S3Layer {
    /// `ECS_INIT_CONFIG_S3`, not parsed. A value inside the object itself has no effect.
    pub url: Setting<String>,
    /// Whether an earlier fetch from this URL is a part of the configuration.
    pub fetched: bool,
    /// The credentials in the process's environment.
    pub credentials: Option<AwsCredentials>,
    /// The configuration without this layer, by which the object is fetched: otherwise a bad
    /// object could prevent every later fetch.
    pub base: Box<Config>,
}

/// AWS credentials, long-lived or temporary. Debug output does not contain them.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsCredentials {
    /// The access key's ID.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token of temporary credentials.
    pub token: Option<String>,
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsCredentials(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_credentials() {
        let credentials = AwsCredentials {
            id: "AKID".into(),
            secret: "s3cr3t".into(),
            token: Some("s3cr3t".into()),
        };
        let printed = format!("{credentials:?}");
        assert!(!printed.contains("s3cr3t") && !printed.contains("AKID"));
    }
}
