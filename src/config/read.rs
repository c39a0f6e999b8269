//! Parses layers of text into a [`Config`]. Never fails: for a value that cannot be parsed, it
//! warns and uses the default.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::layers::Layers;
use super::model::{
    AgentConfig, AwsCredentials, Config, NetworkConfig, S3Layer, SourceConfig, WebConfig,
};
use super::origin::{Origin, Setting};
use super::s3::S3Url;
use super::value::docker_host;
use super::variables::{self as var, Variable};
use super::warning::Warning;
use crate::error::Error;
use crate::types::Root;

impl Config {
    /// Reads the files below `ECS_INIT_ROOT`; `environment` is the process's.
    pub fn load(environment: impl IntoIterator<Item = (String, String)>) -> (Config, Vec<Warning>) {
        let mut reader = Reader {
            layers: Layers::from_environment(environment),
        };
        let root = Root::new(reader.get(&var::ECS_INIT_ROOT));
        reader.layers.add_files(&root);
        let mut config = reader.config(root.clone());
        if let Some(url) = reader.optional(&[&var::ECS_INIT_CONFIG_S3]) {
            let parsed = S3Url::parse(&url).ok();
            let layers = parsed.and_then(|url| reader.layers.with_s3(&root, &url));
            let s3 = reader.s3_layer(url, layers.is_some(), &config);
            if let Some(layers) = layers {
                reader = Reader { layers };
                config = reader.config(root);
            }
            config.s3 = Some(s3);
        }
        (config, reader.into_warnings())
    }

    /// The environment without files, for `bake`: the build machine's files are not the image's.
    /// Ignores `ECS_INIT_CONFIG_S3`, which is fetched on an instance.
    pub fn from_environment(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> (Config, Vec<Warning>) {
        let environment = environment.into_iter();
        let others = environment.filter(|(name, _)| name != var::ECS_INIT_CONFIG_S3.row.name);
        let mut reader = Reader {
            layers: Layers::from_environment(others),
        };
        let config = reader.config(Root::default());
        (config, reader.into_warnings())
    }

    /// The files of an image whose tree is `root`, without an object that an instance fetched.
    pub(crate) fn from_image(layers: Layers, root: Root) -> (Config, Vec<Warning>) {
        let mut reader = Reader { layers };
        let mut config = reader.config(root);
        if let Some(url) = reader.optional(&[&var::ECS_INIT_CONFIG_S3]) {
            config.s3 = Some(reader.s3_layer(url, false, &config));
        }
        (config, reader.into_warnings())
    }
}

/// A mistake in the table. Every test that reads a configuration finds it.
fn invalid_default(name: &str, error: &Error) -> ! {
    unreachable!("the default of {name}: {error}")
}

/// Parses values and collects warnings in its layers.
struct Reader {
    layers: Layers,
}

impl Reader {
    /// The first of these variables that is set to a valid value.
    fn optional<T>(&mut self, variables: &[&Variable<T>]) -> Option<Setting<T>> {
        for Variable { row, parse } in variables {
            let setting = if row.environment_only {
                self.layers.in_environment(row.name)
            } else {
                self.layers.get(row.name)
            };
            let Some(Setting { value, origin }) = setting else {
                continue;
            };
            match parse(&value) {
                Ok(value) => return Some(Setting::new(value, origin)),
                Err(error) => self.layers.warn(Warning::Value {
                    origin,
                    variable: row.name,
                    error,
                }),
            }
        }
        None
    }

    /// A variable that has a default.
    fn setting<T>(&mut self, variable: &Variable<T>) -> Setting<T> {
        self.optional(&[variable]).unwrap_or_else(|| {
            let value = (variable.parse)(variable.row.default);
            let value = value.unwrap_or_else(|error| invalid_default(variable.row.name, &error));
            Setting::new(value, Origin::Default)
        })
    }

    /// The value of a variable that has a default.
    fn get<T>(&mut self, variable: &Variable<T>) -> T {
        self.setting(variable).value
    }

    fn config(&mut self, root: Root) -> Config {
        let environment = self.agent_environment();
        Config {
            root,
            log_level: self.get(&var::ECS_LOGLEVEL),
            docker_socket: self.setting(&var::DOCKER_HOST),
            agent_docker_socket: environment
                .get("DOCKER_HOST")
                .and_then(|text| docker_host(text).ok()),
            docker_wait: self.get(&var::ECS_INIT_DOCKER_WAIT),
            wait_for: self.wait_for(),
            wait_for_timeout: self.get(&var::ECS_INIT_WAIT_FOR_TIMEOUT),
            notify_socket: self
                .optional(&[&var::NOTIFY_SOCKET])
                .map(|socket| socket.value),
            external: self.get(&var::ECS_EXTERNAL),
            region: self.optional(&[
                &var::ECS_INIT_REGION,
                &var::AWS_REGION,
                &var::AWS_DEFAULT_REGION,
            ]),
            s3: None,
            source: self.source(),
            web: self.web(),
            network: NetworkConfig {
                skip_localhost_filter: self.get(&var::ECS_SKIP_LOCALHOST_TRAFFIC_FILTER),
                allow_offhost_introspection: self.get(&var::ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS),
                firewall: self.get(&var::ECS_INIT_FIREWALL),
                block_imds: self.get(&var::ECS_INIT_BLOCK_IMDS),
            },
            agent: self.agent(environment),
        }
    }

    fn source(&mut self) -> SourceConfig {
        SourceConfig {
            agent: self.get(&var::ECS_INIT_AGENT_SOURCE),
            image: self.setting(&var::ECS_INIT_AGENT_IMAGE),
            docker_config: self.get(&var::DOCKER_CONFIG),
            version: self.get(&var::ECS_INIT_AGENT_VERSION),
            tar: self.optional(&[&var::ECS_INIT_AGENT_TAR]),
            mirror: self.optional(&[&var::ECS_INIT_MIRROR]),
            keyring: self.optional(&[&var::ECS_INIT_KEYRING]),
            allow_unsigned: self.setting(&var::ECS_INIT_ALLOW_UNSIGNED),
            require_signed_updates: self.setting(&var::ECS_INIT_REQUIRE_SIGNED_UPDATES),
            download_limit: self.get(&var::ECS_INIT_DOWNLOAD_LIMIT),
            retry_time: self.get(&var::ECS_INIT_RETRY_TIME),
        }
    }

    fn web(&mut self) -> WebConfig {
        WebConfig {
            http_proxy: self.optional(&[&var::HTTP_PROXY, &var::http_proxy]),
            https_proxy: self.optional(&[&var::HTTPS_PROXY, &var::https_proxy]),
            no_proxy: self.optional(&[&var::NO_PROXY, &var::no_proxy]),
            ca_bundle: self.optional(&[&var::AWS_CA_BUNDLE, &var::SSL_CERT_FILE]),
            dualstack: self.get(&var::AWS_USE_DUALSTACK_ENDPOINT),
            fips: self.get(&var::AWS_USE_FIPS_ENDPOINT),
            s3_endpoint: self.optional(&[&var::AWS_ENDPOINT_URL_S3]),
            imds_endpoint: self.optional(&[&var::AWS_EC2_METADATA_SERVICE_ENDPOINT]),
            imds_ipv6: self.get(&var::AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE),
            imds_disabled: self.get(&var::AWS_EC2_METADATA_DISABLED),
        }
    }

    fn agent(&mut self, environment: BTreeMap<String, String>) -> AgentConfig {
        AgentConfig {
            environment,
            privileged: self.get(&var::ECS_AGENT_RUN_PRIVILEGED),
            pid_host: self.get(&var::ECS_AGENT_PID_NAMESPACE_HOST),
            apparmor_profile: self.get(&var::ECS_AGENT_APPARMOR_PROFILE),
            apparmor_fallback: self.optional(&[&var::ECS_INIT_APPARMOR_FALLBACK]).is_some(),
            selinux: self.optional(&[&var::ECS_INIT_SELINUX]).map(|s| s.value),
            log_driver: self.get(&var::ECS_LOG_DRIVER),
            log_opts: self.optional(&[&var::ECS_LOG_OPTS]).map(|s| s.value),
            log_file_size: self.get(&var::ECS_INIT_DOCKER_LOG_FILE_SIZE),
            log_file_num: self.get(&var::ECS_INIT_DOCKER_LOG_FILE_NUM),
            labels: self.get(&var::ECS_AGENT_LABELS),
            gmsa: self.get(&var::ECS_GMSA_SUPPORTED),
            credentials_fetcher: self.get(&var::CREDENTIALS_FETCHER_HOST),
            gpu: self.get(&var::ECS_ENABLE_GPU_SUPPORT),
        }
    }

    /// The variables of the agent's container.
    fn agent_environment(&self) -> BTreeMap<String, String> {
        let files = self.layers.in_files();
        let mut environment: BTreeMap<_, _> =
            files.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        // Forwarded variables may be set in the environment, which has precedence.
        for row in var::ALL.iter().filter(|row| row.forwarded) {
            if let Some(setting) = self.layers.get(row.name) {
                environment.insert(row.name.to_owned(), setting.value);
            }
        }
        environment
    }

    /// Warns of relative paths and keeps them: see [`Config::check_wait_for`].
    fn wait_for(&mut self) -> Vec<PathBuf> {
        let variable = &var::ECS_INIT_WAIT_FOR;
        let Some(Setting { value, origin }) = self.optional(&[variable]) else {
            return Vec::new();
        };
        if value.iter().any(|path| !path.is_absolute()) {
            self.layers.warn(Warning::Value {
                origin,
                variable: variable.row.name,
                error: Error::invalid(
                    "not a comma-separated list of absolute paths; pre-start and run refuse it",
                ),
            });
        }
        value
    }

    fn s3_layer(&mut self, url: Setting<String>, fetched: bool, base: &Config) -> S3Layer {
        S3Layer {
            url,
            fetched,
            credentials: self.credentials(),
            base: Box::new(base.clone()),
        }
    }

    /// From the environment only: credentials in a file would also reach the agent's container.
    fn credentials(&mut self) -> Option<AwsCredentials> {
        Some(AwsCredentials {
            id: self.optional(&[&var::AWS_ACCESS_KEY_ID])?.value,
            secret: self.optional(&[&var::AWS_SECRET_ACCESS_KEY])?.value,
            token: self.optional(&[&var::AWS_SESSION_TOKEN]).map(|s| s.value),
        })
    }

    fn into_warnings(mut self) -> Vec<Warning> {
        let misspelt: Vec<_> = self
            .layers
            .names()
            .filter(|(name, _)| var::is_misspelt(name))
            .map(|(name, origin)| (name.to_owned(), origin))
            .collect();
        for (variable, origin) in misspelt {
            self.layers.warn(Warning::Misspelt { origin, variable });
        }
        self.layers.into_warnings()
    }
}
