//! The table of variables that the program reads: the only place for a name, a default and a flag.
//!
//! From it come the parsers and defaults of [`Config`](super::Config), the list of names that are
//! known (a misspelt `ECS_INIT_` name is a warning), and what the agent's container receives.
//! `docs/configuration.md` has the same names and defaults; a test compares both.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::choice::{AgentSource, Firewall, Selinux, agent_source, firewall, selinux};
use super::value::{
    absolute_path, apparmor_fallback, boolean, bytes, docker_host, imds_mode, log_driver,
    log_level, paths, region, seconds, socket, string_map, text, url,
};
use crate::error::Result;
use crate::types::AgentVersion;

/// What the table says of a variable, apart from its type.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The name.
    pub name: &'static str,
    /// The value if it is not set, in the syntax of the variable; empty: no default.
    pub default: &'static str,
    /// The agent receives it even if it is set in the environment only. All other variables reach
    /// the agent from the files only, as with amazon-ecs-init.
    pub forwarded: bool,
    /// It is read from the environment only, never from a file.
    pub environment_only: bool,
    /// Its value is a credential.
    pub secret: bool,
}

impl Row {
    const fn new(name: &'static str, default: &'static str) -> Row {
        Row {
            name,
            default,
            forwarded: false,
            environment_only: false,
            secret: false,
        }
    }
}

/// A variable with the type of its value.
#[derive(Debug)]
pub struct Variable<T> {
    pub(super) row: Row,
    pub(super) parse: fn(&str) -> Result<T>,
}

/// Each row: `NAME: Type, parser, "default", flags;`.
macro_rules! variables {
    ($(
        $(#[$doc:meta])+
        $name:ident: $type:ty, $parse:expr, $default:literal $(, $flag:ident)*;
    )+) => {
        $(
            $(#[$doc])+
            #[allow(non_upper_case_globals)]
            pub(super) const $name: Variable<$type> = Variable {
                row: Row { $($flag: true,)* ..Row::new(stringify!($name), $default) },
                parse: $parse,
            };
        )+

        /// Every variable.
        pub const ALL: &[Row] = &[$($name.row),+];
    };
}

variables! {
    // Variables of ecs-init.

    /// The agent's image for `ECS_INIT_AGENT_SOURCE=registry`: `repository[:tag][@sha256:…]`.
    ECS_INIT_AGENT_IMAGE: String, text, "public.ecr.aws/ecs/amazon-ecs-agent";
    /// Where the agent's image comes from.
    ECS_INIT_AGENT_SOURCE: AgentSource, agent_source, "tar";
    /// A tar on this host; its signature is the same path with `.asc`.
    ECS_INIT_AGENT_TAR: PathBuf, absolute_path, "";
    /// The agent's version: `latest`, `v1.2.3`, or the first 8 hex digits of a commit.
    ECS_INIT_AGENT_VERSION: AgentVersion, str::parse, "latest";
    /// Load a cached or local tar that has no signature; pull an image by its tag.
    ECS_INIT_ALLOW_UNSIGNED: bool, boolean, "false";
    /// `docker-default`: use Docker's AppArmor profile if the agent's cannot be loaded.
    ECS_INIT_APPARMOR_FALLBACK: (), apparmor_fallback, "";
    /// Block access from tasks on the default bridge to the instance metadata service.
    ECS_INIT_BLOCK_IMDS: bool, boolean, "false";
    /// `s3://bucket/key` of a configuration to fetch.
    ECS_INIT_CONFIG_S3: String, text, "";
    /// `max-file` of the container's json-file log. Amazon's, in spite of its name.
    ECS_INIT_DOCKER_LOG_FILE_NUM: String, text, "4";
    /// `max-size` of the container's json-file log. Amazon's, in spite of its name.
    ECS_INIT_DOCKER_LOG_FILE_SIZE: String, text, "16m";
    /// How long to wait for dockerd's socket, in seconds.
    ECS_INIT_DOCKER_WAIT: Duration, seconds, "60";
    /// The largest tar that is accepted, in bytes.
    ECS_INIT_DOWNLOAD_LIMIT: u64, bytes, "1073741824";
    /// Which tables the firewall rules are written to.
    ECS_INIT_FIREWALL: Option<Firewall>, firewall, "auto";
    /// A file of additional trusted OpenPGP certificates.
    ECS_INIT_KEYRING: PathBuf, absolute_path, "";
    /// A URL below which the files have their S3 names.
    ECS_INIT_MIRROR: String, url, "";
    /// The region whose bucket is used.
    ECS_INIT_REGION: String, region, "";
    /// Load an update of the agent (exit code 42) only if it has a signature.
    ECS_INIT_REQUIRE_SIGNED_UPDATES: bool, boolean, "false";
    /// How long one source is retried after transient errors, in seconds.
    ECS_INIT_RETRY_TIME: Duration, seconds, "60";
    /// The directory that stands for `/`.
    ECS_INIT_ROOT: String, text, "/", environment_only;
    /// How the agent's container is labelled under SELinux.
    ECS_INIT_SELINUX: Selinux, selinux, "";
    /// Comma-separated paths that must exist before `pre-start` and `run` begin.
    ECS_INIT_WAIT_FOR: Vec<PathBuf>, paths, "";
    /// How long to wait for all of `ECS_INIT_WAIT_FOR`, in seconds.
    ECS_INIT_WAIT_FOR_TIMEOUT: Duration, seconds, "300";

    // Variables of amazon-ecs-init and of the agent.

    /// The socket of the gMSA credentials fetcher.
    CREDENTIALS_FETCHER_HOST: PathBuf, socket,
        "/var/credentials-fetcher/socket/credentials_fetcher.sock";
    /// The AppArmor profile of the agent's container.
    ECS_AGENT_APPARMOR_PROFILE: String, text, "ecs-agent-default";
    /// Labels of the agent's container, as a JSON object.
    ECS_AGENT_LABELS: BTreeMap<String, String>, string_map, "{}";
    /// Run the agent's container in the host's PID namespace.
    ECS_AGENT_PID_NAMESPACE_HOST: bool, boolean, "false";
    /// Run the agent's container privileged.
    ECS_AGENT_RUN_PRIVILEGED: bool, boolean, "false";
    /// Accept connections to the introspection API from other hosts.
    ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS: bool, boolean, "false";
    /// The host is a member of an Active Directory domain.
    ECS_DOMAIN_JOINED_LINUX_INSTANCE: String, text, "", forwarded;
    /// Tasks can use EBS volumes.
    ECS_EBSTA_SUPPORTED: String, text, "", forwarded;
    /// Tasks can use GPUs.
    ECS_ENABLE_GPU_SUPPORT: bool, boolean, "false", forwarded;
    /// Limits for whole tasks.
    ECS_ENABLE_TASK_CPU_MEM_LIMIT: String, text, "", forwarded;
    /// The host is outside of EC2.
    ECS_EXTERNAL: bool, boolean, "false", forwarded;
    /// Tasks can use group managed service accounts.
    ECS_GMSA_SUPPORTED: bool, boolean, "false", forwarded;
    /// The lowest level that is logged.
    ECS_LOGLEVEL: LevelFilter, log_level, "info";
    /// The log driver of the agent's container.
    ECS_LOG_DRIVER: String, log_driver, "json-file";
    /// The log driver's options, as a JSON object.
    ECS_LOG_OPTS: BTreeMap<String, String>, string_map, "";
    /// Omit the rule that protects loopback addresses from traffic of other hosts.
    ECS_SKIP_LOCALHOST_TRAFFIC_FILTER: bool, boolean, "false";
    /// Capabilities of the volume plugin.
    ECS_VOLUME_PLUGIN_CAPABILITIES: String, text, "", forwarded;

    // Variables of the AWS SDKs.

    /// Long-lived or temporary credentials: the access key's ID.
    AWS_ACCESS_KEY_ID: String, text, "", environment_only, secret;
    /// PEM certificates to trust in addition to the built-in ones.
    AWS_CA_BUNDLE: PathBuf, absolute_path, "";
    /// The region, if `AWS_REGION` is not set.
    AWS_DEFAULT_REGION: String, region, "";
    /// Do not use the instance metadata service.
    AWS_EC2_METADATA_DISABLED: bool, boolean, "false";
    /// The URL of the instance metadata service.
    AWS_EC2_METADATA_SERVICE_ENDPOINT: String, url, "";
    /// `IPv4` or `IPv6`: the address of the instance metadata service.
    AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE: bool, imds_mode, "IPv4";
    /// A URL instead of every S3 endpoint.
    AWS_ENDPOINT_URL_S3: String, url, "";
    /// The region, if `ECS_INIT_REGION` is not set.
    AWS_REGION: String, region, "";
    /// Long-lived or temporary credentials: the secret access key.
    AWS_SECRET_ACCESS_KEY: String, text, "", environment_only, secret;
    /// Temporary credentials: the session token.
    AWS_SESSION_TOKEN: String, text, "", environment_only, secret;
    /// Use S3's dual-stack endpoints.
    AWS_USE_DUALSTACK_ENDPOINT: bool, boolean, "false";
    /// Use S3's FIPS endpoints.
    AWS_USE_FIPS_ENDPOINT: bool, boolean, "false";

    // Variables of other programs.

    /// The directory of Docker's own `config.json`.
    DOCKER_CONFIG: PathBuf, absolute_path, "/root/.docker";
    /// dockerd's socket.
    DOCKER_HOST: PathBuf, docker_host, "unix:///var/run/docker.sock";
    /// The proxy for `https://` URLs.
    HTTPS_PROXY: String, text, "";
    /// The proxy for `https://` URLs, if `HTTPS_PROXY` is not set.
    https_proxy: String, text, "";
    /// The proxy for `http://` URLs.
    HTTP_PROXY: String, text, "";
    /// The proxy for `http://` URLs, if `HTTP_PROXY` is not set.
    http_proxy: String, text, "";
    /// systemd's notification socket (`sd_notify(3)`).
    NOTIFY_SOCKET: String, text, "", environment_only;
    /// Hosts that are reached without a proxy.
    NO_PROXY: String, text, "";
    /// Hosts that are reached without a proxy, if `NO_PROXY` is not set.
    no_proxy: String, text, "";
    /// PEM certificates to trust, if `AWS_CA_BUNDLE` is not set.
    SSL_CERT_FILE: PathBuf, absolute_path, "";
}

/// Whether the name looks like a variable of ecs-init but is not one.
pub(super) fn is_misspelt(name: &str) -> bool {
    name.starts_with("ECS_INIT_") && ALL.iter().all(|row| row.name != name)
}

/// The variables whose values are credentials.
pub fn secret_variables() -> impl Iterator<Item = &'static str> {
    ALL.iter().filter(|row| row.secret).map(|row| row.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_lists_the_variables_and_their_defaults() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        let text = std::fs::read_to_string(path).unwrap();
        let mut documented = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("| `ECS_INIT_")) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            documented.insert(cells[1].trim_matches('`'), cells[2].trim_matches('`'));
        }
        for row in ALL.iter().filter(|row| row.name.starts_with("ECS_INIT_")) {
            let default = documented.remove(row.name).expect(row.name);
            // Without a default the cell may say what is used instead.
            if !row.default.is_empty() {
                assert_eq!(default, row.default, "{}", row.name);
            }
        }
        assert!(documented.is_empty(), "not in the table: {documented:?}");
        for row in ALL.iter().filter(|row| row.forwarded) {
            assert!(text.contains(&format!("`{}`", row.name)), "{}", row.name);
        }
    }
}
