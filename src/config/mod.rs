//! Files and environment to one immutable [`Config`]. Nothing else in the program reads the
//! environment. A value that cannot be read is a warning that names its place, and the default.

pub mod file;
pub mod s3;
pub mod settings;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use s3::{Keys, S3Layer, S3Url};
pub use settings::{Origin, Settings};
pub use value::{AgentSource, Firewall, LogLevel, Selinux};

use crate::error::{Error, Kind};
use crate::types::{AgentVersion, Root};

/// Our own variables. All begin with `ECS_INIT_`; a name with that beginning which is not here is
/// pointed out, so that a slip of the pen does not pass for a setting.
pub const OWN: [&str; 22] = [
    "ECS_INIT_AGENT_IMAGE",
    "ECS_INIT_AGENT_SOURCE",
    "ECS_INIT_AGENT_TAR",
    "ECS_INIT_AGENT_VERSION",
    "ECS_INIT_ALLOW_UNSIGNED",
    "ECS_INIT_APPARMOR_FALLBACK",
    "ECS_INIT_BLOCK_IMDS",
    "ECS_INIT_CONFIG_S3",
    "ECS_INIT_DOCKER_LOG_FILE_NUM",
    "ECS_INIT_DOCKER_LOG_FILE_SIZE",
    "ECS_INIT_DOCKER_WAIT",
    "ECS_INIT_DOWNLOAD_LIMIT",
    "ECS_INIT_FIREWALL",
    "ECS_INIT_KEYRING",
    "ECS_INIT_MIRROR",
    "ECS_INIT_REGION",
    "ECS_INIT_REQUIRE_SIGNED_UPDATES",
    "ECS_INIT_RETRY_TIME",
    "ECS_INIT_ROOT",
    "ECS_INIT_SELINUX",
    "ECS_INIT_WAIT_FOR",
    "ECS_INIT_WAIT_FOR_TIMEOUT",
];

/// What decides here about the container and is the agent's to know too: set in the environment
/// only, it still reaches the agent. All else the agent has from the files alone, as with the
/// reference.
const PASSED_ON: [&str; 7] = [
    "ECS_DOMAIN_JOINED_LINUX_INSTANCE",
    "ECS_EBSTA_SUPPORTED",
    "ECS_ENABLE_GPU_SUPPORT",
    "ECS_ENABLE_TASK_CPU_MEM_LIMIT",
    "ECS_EXTERNAL",
    "ECS_GMSA_SUPPORTED",
    "ECS_VOLUME_PLUGIN_CAPABILITIES",
];

/// The process's environment.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let text = |s: std::ffi::OsString| s.to_string_lossy().into_owned();
    let all = std::env::vars_os();
    all.map(|(name, value)| (text(name), text(value))).collect()
}

/// Logs what could not be read, each line once in the process's life: the configuration is read
/// again when more of it has come.
pub fn tell(warnings: Vec<String>) {
    for warning in untold(warnings) {
        log::warn!("{warning}");
    }
}

fn untold(warnings: Vec<String>) -> Vec<String> {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let new = |warning: &String| told.insert(warning.clone());
    warnings.into_iter().filter(new).collect()
}

/// A value and where it came from. Reads as the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    value: T,
    /// Where it was set.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// A value and its place.
    pub fn new(value: T, origin: Origin) -> Self {
        Setting { value, origin }
    }
}

impl<T> Deref for Setting<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Everything the program was told. Field docs name the variable and the default.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ECS_INIT_ROOT`, `/`: the directory that stands for `/`.
    pub root: Root,
    /// `ECS_LOGLEVEL`, info.
    pub log_level: LogLevel,
    /// `DOCKER_HOST`, `unix:///var/run/docker.sock`: dockerd's socket, below no root.
    pub docker_socket: Setting<PathBuf>,
    /// The path that a `DOCKER_HOST` in the *files* names: where the agent will look for the
    /// socket inside its container.
    pub agent_docker_socket: Option<PathBuf>,
    /// `ECS_INIT_DOCKER_WAIT`, 60 s: how long to wait for dockerd's socket at the start.
    pub docker_wait: Duration,
    /// `ECS_INIT_WAIT_FOR`, none: paths that have to be there before pre-start or run begins.
    pub wait_for: Vec<PathBuf>,
    /// `ECS_INIT_WAIT_FOR_TIMEOUT`, 300 s: how long to wait for all of them.
    pub wait_for_timeout: Duration,
    /// `NOTIFY_SOCKET`, none; from the environment alone: where systemd wants to hear that the
    /// agent runs (`sd_notify(3)`).
    pub notify_socket: Option<String>,
    /// `ECS_EXTERNAL`, false: the host is outside EC2.
    pub external: bool,
    /// `ECS_INIT_REGION`, else `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: Option<Setting<String>>,
    /// `ECS_INIT_CONFIG_S3`, none: `s3://bucket/key` of a layer of configuration, to be fetched
    /// with the instance's credentials. What the layer itself says of it does not count.
    pub s3: Option<S3Layer>,

    /// How the agent's image is found and trusted.
    pub source: SourceConfig,
    /// How HTTP leaves the host.
    pub web: WebConfig,
    /// What goes into the network.
    pub network: NetworkConfig,
    /// What goes into the agent's container.
    pub agent: AgentConfig,
}

/// How the agent's image is found and trusted.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// `ECS_INIT_AGENT_SOURCE`, tar: whether it is loaded from a tar or pulled from a registry.
    pub agent: AgentSource,
    /// `ECS_INIT_AGENT_IMAGE`: what is pulled, `repository[:tag][@sha256:…]`. Unread: a slip of
    /// the pen must not become another image.
    pub image: Setting<String>,
    /// `DOCKER_CONFIG`, `/root/.docker`: the directory of Docker's own `config.json`, which may
    /// hold the registry's credentials.
    pub docker_config: PathBuf,
    /// `ECS_INIT_AGENT_VERSION`, latest.
    pub version: AgentVersion,
    /// `ECS_INIT_AGENT_TAR`: a tar on this host, its signature beside it as `<tar>.asc`.
    pub tar: Option<Setting<PathBuf>>,
    /// `ECS_INIT_MIRROR`: a URL below which the files lie under their S3 names.
    pub mirror: Option<Setting<String>>,
    /// `ECS_INIT_KEYRING`: a file of further trusted certificates.
    pub keyring: Option<Setting<PathBuf>>,
    /// `ECS_INIT_ALLOW_UNSIGNED`, false: a cached or local tar without a signature is loaded.
    pub allow_unsigned: Setting<bool>,
    /// `ECS_INIT_REQUIRE_SIGNED_UPDATES`, false: exit 42 loads only what is signed.
    pub require_signed_updates: Setting<bool>,
    /// `ECS_INIT_DOWNLOAD_LIMIT`, 1 GiB: the largest tar that is taken, in bytes.
    pub download_limit: u64,
    /// `ECS_INIT_RETRY_TIME`, 60 s: how long one source is tried while it fails in passing.
    pub retry_time: Duration,
}

/// How HTTP leaves the host.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// `HTTP_PROXY` / `http_proxy`.
    pub http_proxy: Option<Setting<String>>,
    /// `HTTPS_PROXY` / `https_proxy`.
    pub https_proxy: Option<Setting<String>>,
    /// `NO_PROXY` / `no_proxy`.
    pub no_proxy: Option<Setting<String>>,
    /// `AWS_CA_BUNDLE`, else `SSL_CERT_FILE`: PEM certificates trusted beside the compiled-in ones.
    pub ca_bundle: Option<Setting<PathBuf>>,
    /// `AWS_USE_DUALSTACK_ENDPOINT`, false.
    pub dualstack: bool,
    /// `AWS_USE_FIPS_ENDPOINT`, false.
    pub fips: bool,
    /// `AWS_ENDPOINT_URL_S3`: in place of every S3 endpoint.
    pub s3_endpoint: Option<Setting<String>>,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`: in place of IMDS's address.
    pub imds_endpoint: Option<Setting<String>>,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`, IPv4: `true` for `IPv6`.
    pub imds_ipv6: bool,
    /// `AWS_EC2_METADATA_DISABLED`, false.
    pub imds_disabled: bool,
}

/// What goes into the network.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// `ECS_SKIP_LOCALHOST_TRAFFIC_FILTER`, false.
    pub skip_localhost_filter: bool,
    /// `ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS`, false.
    pub allow_offhost_introspection: bool,
    /// `ECS_INIT_FIREWALL`: which tables the rules are written to. `None` (`auto`, the default):
    /// iptables' if the kernel supports its encoding.
    pub firewall: Option<Firewall>,
    /// `ECS_INIT_BLOCK_IMDS`, false: tasks on the bridge are kept from the instance's metadata.
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

/// What goes into the agent's container.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The variables that the two files set, and what decides here too: the agent's environment.
    pub environment: BTreeMap<String, String>,
    /// `ECS_AGENT_RUN_PRIVILEGED`, false.
    pub privileged: bool,
    /// `ECS_AGENT_PID_NAMESPACE_HOST`, false.
    pub pid_host: bool,
    /// `ECS_AGENT_APPARMOR_PROFILE`, `ecs-agent-default`.
    pub apparmor_profile: String,
    /// `ECS_INIT_APPARMOR_FALLBACK=docker-default`: where that profile cannot be loaded, Docker's
    /// own will do. Not set, it is an error.
    pub apparmor_fallback: bool,
    /// `ECS_INIT_SELINUX`, none: how the container gets along with SELinux.
    pub selinux: Option<Selinux>,
    /// `ECS_LOG_DRIVER`, json-file.
    pub log_driver: String,
    /// `ECS_LOG_OPTS`: the driver's options, if they are given.
    pub log_opts: Option<BTreeMap<String, String>>,
    /// `ECS_INIT_DOCKER_LOG_FILE_SIZE`, 16m: json-file's `max-size`.
    pub log_file_size: String,
    /// `ECS_INIT_DOCKER_LOG_FILE_NUM`, 4: json-file's `max-file`.
    pub log_file_num: String,
    /// `ECS_AGENT_LABELS`: labels of the container.
    pub labels: BTreeMap<String, String>,
    /// `ECS_GMSA_SUPPORTED`, false.
    pub gmsa: bool,
    /// `CREDENTIALS_FETCHER_HOST`: the gMSA daemon's socket.
    pub credentials_fetcher: PathBuf,
    /// `ECS_ENABLE_GPU_SUPPORT`, false.
    pub gpu: bool,
}

impl Config {
    /// Reads files and environment. Never fails: what cannot be read is in the warnings, to be
    /// logged once the logger is up.
    pub fn load(environment: impl IntoIterator<Item = (String, String)>) -> (Config, Vec<String>) {
        let environment: Vec<_> = environment.into_iter().collect();
        let root = environment
            .iter()
            .find(|(name, value)| name == "ECS_INIT_ROOT" && !value.is_empty())
            .map_or_else(Root::default, |(_, value)| Root::new(value));
        Self::of(Settings::read(&root, environment), root)
    }

    /// The environment alone, below no root: for a build machine, whose own files say nothing
    /// about the image.
    pub fn of_environment(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> (Config, Vec<String>) {
        // What lies in S3 is an instance's.
        let ours = environment
            .into_iter()
            .filter(|(name, _)| name != "ECS_INIT_CONFIG_S3");
        Self::of(Settings::of_environment(ours), Root::default())
    }

    /// What these settings come to, below `root`.
    #[must_use]
    pub fn of(settings: Settings, root: Root) -> (Config, Vec<String>) {
        let mut reader = Reader(settings);
        let mut config = reader.config(root.clone());
        if let Some(url) = reader.0.get("ECS_INIT_CONFIG_S3") {
            let layered = reader.0.over_s3(&root, &url.text);
            let s3 = S3Layer::new(url, layered.is_some(), &reader.0, config.clone());
            if let Some(settings) = layered {
                reader = Reader(settings);
                config = reader.config(root);
            }
            config.s3 = Some(s3);
        }
        reader.point_out_unknown();
        (config, reader.0.into_warnings())
    }

    /// What these settings come to in an image's tree. What one instance fetched from S3 is no part
    /// of the image.
    #[must_use]
    pub fn of_image(settings: Settings, root: Root) -> (Config, Vec<String>) {
        let mut reader = Reader(settings);
        let mut config = reader.config(root);
        if let Some(url) = reader.0.get("ECS_INIT_CONFIG_S3") {
            config.s3 = Some(S3Layer::new(url, false, &reader.0, config.clone()));
        }
        reader.point_out_unknown();
        (config, reader.0.into_warnings())
    }

    /// A relative path in `ECS_INIT_WAIT_FOR`, which `pre-start` and `run` refuse.
    #[must_use]
    pub fn relative_wait(&self) -> Option<Error> {
        let path = self.wait_for.iter().find(|path| !path.is_absolute())?;
        Some(Error::new(
            Kind::InvalidInput,
            format!(
                "ECS_INIT_WAIT_FOR: '{}' is no absolute path",
                path.display()
            ),
        ))
    }
}

/// Turns settings into values, and remembers what it could not.
struct Reader(Settings);

impl Reader {
    /// The first of `names` that is set and reads as a `T`.
    fn any<T, E: std::fmt::Display>(
        &mut self,
        names: &[&str],
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Setting<T>> {
        for name in names {
            let Some(raw) = self.0.get(name) else {
                continue;
            };
            match read(&raw.text) {
                Ok(value) => return Some(Setting::new(value, raw.origin)),
                // The value itself may be a secret that stands in the wrong place.
                Err(why) => self.0.warn(format!(
                    "{}: the value of {name} {why}; not used",
                    raw.origin
                )),
            }
        }
        None
    }

    fn or<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Result<T, E>,
        default: T,
    ) -> Setting<T> {
        self.any(&[name], read)
            .unwrap_or(Setting::new(default, Origin::Default))
    }

    fn flag(&mut self, name: &str) -> bool {
        *self.or(name, value::boolean, false)
    }

    fn text(&mut self, names: &[&str]) -> Option<Setting<String>> {
        self.any(names, |text| Ok::<_, &str>(text.to_owned()))
    }

    fn path(&mut self, names: &[&str]) -> Option<Setting<PathBuf>> {
        self.any(names, |text| {
            if text.starts_with('/') {
                Ok(PathBuf::from(text))
            } else {
                Err("is no absolute path")
            }
        })
    }

    /// A relative path stays in the list, for `settle` to refuse: without it the list would say
    /// that there is less to wait for, or nothing.
    fn wait_for(&mut self) -> Vec<PathBuf> {
        let read = |text: &str| Ok::<_, &str>(value::paths(text));
        let Some(paths) = self.any(&["ECS_INIT_WAIT_FOR"], read) else {
            return Vec::new();
        };
        if paths.iter().any(|path| !path.is_absolute()) {
            self.0.warn(format!(
                "{}: the value of ECS_INIT_WAIT_FOR is no list of absolute paths with commas \
                 between them; pre-start and run refuse it",
                paths.origin
            ));
        }
        paths.value
    }

    fn text_or(&mut self, name: &str, default: &str) -> String {
        self.text(&[name])
            .map_or_else(|| default.to_owned(), |s| s.value)
    }

    fn config(&mut self, root: Root) -> Config {
        let mut environment: BTreeMap<String, String> = self
            .0
            .of_files()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        for name in PASSED_ON {
            if let Some(raw) = self.0.get(name) {
                environment.insert(name.to_owned(), raw.text);
            }
        }
        Config {
            root,
            log_level: *self.or("ECS_LOGLEVEL", str::parse, LogLevel::default()),
            docker_socket: self.or(
                "DOCKER_HOST",
                value::docker_host,
                PathBuf::from("/var/run/docker.sock"),
            ),
            agent_docker_socket: environment
                .get("DOCKER_HOST")
                .and_then(|text| value::docker_host(text).ok()),
            docker_wait: *self.or(
                "ECS_INIT_DOCKER_WAIT",
                value::seconds,
                Duration::from_secs(60),
            ),
            wait_for: self.wait_for(),
            wait_for_timeout: *self.or(
                "ECS_INIT_WAIT_FOR_TIMEOUT",
                value::seconds,
                Duration::from_secs(300),
            ),
            notify_socket: self
                .text(&["NOTIFY_SOCKET"])
                .filter(|socket| socket.origin == Origin::Environment)
                .map(|socket| socket.value),
            external: self.flag("ECS_EXTERNAL"),
            region: self.any(
                &["ECS_INIT_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"],
                value::region,
            ),
            s3: None,
            source: self.source(),
            web: self.web(),
            network: NetworkConfig {
                skip_localhost_filter: self.flag("ECS_SKIP_LOCALHOST_TRAFFIC_FILTER"),
                allow_offhost_introspection: self.flag("ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS"),
                firewall: *self.or("ECS_INIT_FIREWALL", value::firewall, None),
                block_imds: self.flag("ECS_INIT_BLOCK_IMDS"),
            },
            agent: self.agent(environment),
        }
    }

    fn source(&mut self) -> SourceConfig {
        SourceConfig {
            agent: *self.or("ECS_INIT_AGENT_SOURCE", str::parse, AgentSource::default()),
            image: self.or(
                "ECS_INIT_AGENT_IMAGE",
                |text| Ok::<_, &str>(text.to_owned()),
                value::AGENT_IMAGE.to_owned(),
            ),
            docker_config: self
                .path(&["DOCKER_CONFIG"])
                .map_or_else(|| PathBuf::from("/root/.docker"), |s| s.value),
            version: self
                .or("ECS_INIT_AGENT_VERSION", str::parse, AgentVersion::Latest)
                .value,
            tar: self.path(&["ECS_INIT_AGENT_TAR"]),
            mirror: self.any(&["ECS_INIT_MIRROR"], value::url),
            keyring: self.path(&["ECS_INIT_KEYRING"]),
            allow_unsigned: self.or("ECS_INIT_ALLOW_UNSIGNED", value::boolean, false),
            require_signed_updates: self.or(
                "ECS_INIT_REQUIRE_SIGNED_UPDATES",
                value::boolean,
                false,
            ),
            download_limit: *self.or("ECS_INIT_DOWNLOAD_LIMIT", value::bytes, 1 << 30),
            retry_time: *self.or(
                "ECS_INIT_RETRY_TIME",
                value::seconds,
                Duration::from_secs(60),
            ),
        }
    }

    fn web(&mut self) -> WebConfig {
        WebConfig {
            http_proxy: self.text(&["HTTP_PROXY", "http_proxy"]),
            https_proxy: self.text(&["HTTPS_PROXY", "https_proxy"]),
            no_proxy: self.text(&["NO_PROXY", "no_proxy"]),
            ca_bundle: self.path(&["AWS_CA_BUNDLE", "SSL_CERT_FILE"]),
            dualstack: self.flag("AWS_USE_DUALSTACK_ENDPOINT"),
            fips: self.flag("AWS_USE_FIPS_ENDPOINT"),
            s3_endpoint: self.any(&["AWS_ENDPOINT_URL_S3"], value::url),
            imds_endpoint: self.any(&["AWS_EC2_METADATA_SERVICE_ENDPOINT"], value::url),
            imds_ipv6: *self.or(
                "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
                value::imds_mode,
                false,
            ),
            imds_disabled: self.flag("AWS_EC2_METADATA_DISABLED"),
        }
    }

    fn agent(&mut self, environment: BTreeMap<String, String>) -> AgentConfig {
        AgentConfig {
            environment,
            privileged: self.flag("ECS_AGENT_RUN_PRIVILEGED"),
            pid_host: self.flag("ECS_AGENT_PID_NAMESPACE_HOST"),
            apparmor_profile: self.text_or("ECS_AGENT_APPARMOR_PROFILE", "ecs-agent-default"),
            apparmor_fallback: self
                .any(&["ECS_INIT_APPARMOR_FALLBACK"], value::apparmor_fallback)
                .is_some(),
            selinux: self.any(&["ECS_INIT_SELINUX"], str::parse).map(|s| s.value),
            log_driver: self
                .or("ECS_LOG_DRIVER", value::log_driver, "json-file".to_owned())
                .value,
            log_opts: self
                .any(&["ECS_LOG_OPTS"], value::string_map)
                .map(|s| s.value),
            log_file_size: self.text_or("ECS_INIT_DOCKER_LOG_FILE_SIZE", "16m"),
            log_file_num: self.text_or("ECS_INIT_DOCKER_LOG_FILE_NUM", "4"),
            labels: self
                .or("ECS_AGENT_LABELS", value::string_map, BTreeMap::new())
                .value,
            gmsa: self.flag("ECS_GMSA_SUPPORTED"),
            credentials_fetcher: self
                .any(&["CREDENTIALS_FETCHER_HOST"], value::socket)
                .map_or_else(
                    || PathBuf::from("/var/credentials-fetcher/socket/credentials_fetcher.sock"),
                    |s| s.value,
                ),
            gpu: self.flag("ECS_ENABLE_GPU_SUPPORT"),
        }
    }

    fn point_out_unknown(&mut self) {
        let unknown: Vec<_> = self
            .0
            .names()
            .filter(|(name, _)| name.starts_with("ECS_INIT_") && !OWN.contains(name))
            .map(|(name, origin)| format!("{origin}: {name} is no variable of ecs-init; ignored"))
            .collect();
        for warning in unknown {
            self.0.warn(warning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(environment: &[(&str, &str)], etc: &str, var: &str) -> (Config, Vec<String>) {
        let dir = crate::testing::TempDir::new("config");
        for (path, text) in [("etc/ecs", etc), ("var/lib/ecs", var)] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("ecs.config"), text).unwrap();
        }
        let mut all = vec![(
            "ECS_INIT_ROOT".to_owned(),
            dir.path().to_string_lossy().into_owned(),
        )];
        all.extend(environment.iter().map(|(k, v)| ((*k).into(), (*v).into())));
        Config::load(all)
    }

    #[test]
    fn environment_over_etc_over_var() {
        let (c, warnings) = load(
            &[("ECS_LOG_DRIVER", "syslog")],
            "ECS_LOG_DRIVER=gelf\nAWS_REGION=eu-west-1",
            "AWS_REGION=us-east-1\nECS_INIT_DOCKER_WAIT=7",
        );
        assert_eq!(c.agent.log_driver, "syslog");
        let region = c.region.unwrap();
        assert_eq!(*region, "eu-west-1");
        assert!(
            matches!(region.origin, Origin::File(ref p, 2) if p.ends_with("etc/ecs/ecs.config"))
        );
        assert_eq!(c.docker_wait, Duration::from_secs(7));
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn bad_values_are_named_by_file_and_line_and_cost_only_themselves() {
        let (c, warnings) = load(
            &[],
            "X=1\nECS_EXTERNAL=maybe\nECS_AGENT_LABELS={oops\nECS_INIT_MIROR=https://x\nnonsense",
            "",
        );
        assert!(!c.external);
        assert!(c.agent.labels.is_empty());
        for expected in [
            "ecs.config:2: the value of ECS_EXTERNAL is no boolean",
            "ecs.config:3: the value of ECS_AGENT_LABELS is no JSON",
            "ecs.config:4: ECS_INIT_MIROR is no variable of ecs-init",
            "ecs.config:5: line ignored",
        ] {
            assert!(
                warnings.iter().any(|w| w.contains(expected)),
                "{expected}: {warnings:?}"
            );
        }
        assert_eq!(warnings.len(), 4);
    }

    /// Amazon's variables: each by file and by environment, and what comes of it.
    #[test]
    fn every_variable_of_amazons_is_read_from_both() {
        type Holds = fn(&Config) -> bool;
        let all: [(&str, &str, Holds); 25] = [
            ("ECS_LOGLEVEL", "crit", |c| c.log_level == LogLevel::Error),
            ("DOCKER_HOST", "unix:///d", |c| {
                c.docker_socket.ends_with("d")
            }),
            ("ECS_EXTERNAL", "true", |c| c.external),
            ("AWS_DEFAULT_REGION", "eu-x-1", |c| {
                c.region.as_deref().unwrap() == "eu-x-1"
            }),
            ("ECS_SKIP_LOCALHOST_TRAFFIC_FILTER", "T", |c| {
                c.network.skip_localhost_filter
            }),
            ("ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS", "1", |c| {
                c.network.allow_offhost_introspection
            }),
            ("ECS_AGENT_PID_NAMESPACE_HOST", "TRUE", |c| c.agent.pid_host),
            ("ECS_AGENT_RUN_PRIVILEGED", "true", |c| c.agent.privileged),
            ("ECS_AGENT_APPARMOR_PROFILE", "mine", |c| {
                c.agent.apparmor_profile == "mine"
            }),
            ("ECS_LOG_DRIVER", "journald", |c| {
                c.agent.log_driver == "journald"
            }),
            ("ECS_LOG_OPTS", "{\"a\":\"b\"}", |c| {
                c.agent.log_opts.as_ref().is_some_and(|o| o["a"] == "b")
            }),
            ("ECS_INIT_DOCKER_LOG_FILE_SIZE", "1m", |c| {
                c.agent.log_file_size == "1m"
            }),
            ("ECS_INIT_DOCKER_LOG_FILE_NUM", "2", |c| {
                c.agent.log_file_num == "2"
            }),
            ("ECS_GMSA_SUPPORTED", "true", |c| c.agent.gmsa),
            ("CREDENTIALS_FETCHER_HOST", "unix:///f", |c| {
                c.agent.credentials_fetcher.as_os_str() == "/f"
            }),
            ("ECS_ENABLE_GPU_SUPPORT", "true", |c| c.agent.gpu),
            ("ECS_AGENT_LABELS", "{\"a\":\"b\"}", |c| {
                c.agent.labels["a"] == "b"
            }),
            ("HTTP_PROXY", "p:1", |c| {
                c.web.http_proxy.as_deref().unwrap() == "p:1"
            }),
            ("HTTPS_PROXY", "p:1", |c| {
                c.web.https_proxy.as_deref().unwrap() == "p:1"
            }),
            ("NO_PROXY", "x", |c| {
                c.web.no_proxy.as_deref().unwrap() == "x"
            }),
            ("AWS_USE_DUALSTACK_ENDPOINT", "true", |c| c.web.dualstack),
            ("AWS_USE_FIPS_ENDPOINT", "true", |c| c.web.fips),
            ("AWS_ENDPOINT_URL_S3", "https://s", |c| {
                c.web.s3_endpoint.is_some()
            }),
            ("AWS_CA_BUNDLE", "/ca", |c| c.web.ca_bundle.is_some()),
            ("AWS_EC2_METADATA_DISABLED", "true", |c| c.web.imds_disabled),
        ];
        let (default, _) = load(&[], "", "");
        for (name, value, holds) in all {
            let line = format!("{name}={value}\n");
            for (config, warnings) in [
                load(&[(name, value)], "", ""),
                load(&[], &line, ""),
                load(&[], "", &line),
            ] {
                assert!(holds(&config), "{name}");
                assert_eq!(warnings, [""; 0], "{name}");
            }
        }
        assert_eq!(default.agent.apparmor_profile, "ecs-agent-default");
        assert_eq!(default.agent.log_driver, "json-file");
        let sizes = (&*default.agent.log_file_size, &*default.agent.log_file_num);
        assert_eq!(sizes, ("16m", "4"));
        assert_eq!(
            *default.docker_socket,
            PathBuf::from("/var/run/docker.sock")
        );
        assert!(!default.external && !default.agent.privileged && !default.agent.gpu);
    }

    #[test]
    fn what_is_to_be_waited_for() {
        let list = |text| load(&[("ECS_INIT_WAIT_FOR", text)], "", "");
        let (c, warnings) = list("/a, /b,,");
        assert_eq!(c.wait_for, [PathBuf::from("/a"), "/b".into()]);
        assert_eq!(warnings, [""; 0]);
        let (c, warnings) = list("/a,b");
        assert_eq!(c.wait_for, [PathBuf::from("/a"), "b".into()]);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("ECS_INIT_WAIT_FOR"), "{warnings:?}");
    }

    #[test]
    fn a_warning_is_told_once() {
        let (a, b) = ("told once: a".to_owned(), "told once: b".to_owned());
        assert_eq!(untold(vec![a.clone()]), [a.as_str()]);
        assert_eq!(untold(vec![a, b.clone()]), [b]);
    }

    #[test]
    fn an_empty_value_is_no_value() {
        let (c, _) = load(&[("DOCKER_HOST", "")], "DOCKER_HOST=unix:///run/d.sock", "");
        assert_eq!(*c.docker_socket, PathBuf::from("/run/d.sock"));
        assert_eq!(c.agent_docker_socket, Some("/run/d.sock".into()));
    }
}
