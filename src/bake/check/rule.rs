//! The rules that `--check` applies, and the texts of their findings.

use std::ffi::OsString;
use std::fmt;

/// A rule that is violated, with what was found. Never contains a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// A file or directory cannot be read, so it cannot be checked.
    Unreadable(String),
    /// The agent's state, which identifies an instance of the cluster.
    AgentState {
        /// The EC2 instance, if the state names it.
        instance: Option<String>,
        /// The names in the directory.
        names: Vec<OsString>,
    },
    /// What the agent wrote about the GPUs of one instance.
    GpuState(Vec<OsString>),
    /// Logs of the agent.
    Logs(Vec<OsString>),
    /// The update that one instance's agent requested.
    DesiredImage,
    /// An unfinished download of the tar.
    PartialTar,
    /// An unfinished download of the configuration.
    PartialConfig,
    /// Configuration that was downloaded from S3 for one instance.
    S3Config,
    /// AWS credentials in root's home directory.
    AwsCredentials,
    /// A container of the agent or of a task.
    Container(String),
    /// Credentials of container registries, by `docker login`.
    RegistryLogin(Vec<String>),
    /// A credential in a configuration file.
    Credential {
        /// The line, from 1; `None` for a JSON file.
        line: Option<usize>,
        /// What it is.
        credential: Credential,
    },
    /// A line that a start ignores, or a setting with which it fails.
    Config(String),
    /// A file that other users than its owner can write.
    Writable {
        /// Its permission bits.
        mode: u32,
    },
    /// A file that another user than root owns.
    Owner(u32),
    /// A unit that masks the service.
    MaskedUnit,
    /// A keyring with which no start can verify anything.
    Keyring(String),
    /// A link to a cached tar that does not exist.
    DanglingTar(String),
    /// An empty cached tar.
    EmptyTar,
    /// A state of the cache with which the first start does not load the tar.
    CacheState {
        /// Whether it says that Docker has the image, which only one instance has.
        loaded: bool,
    },
    /// A cached tar without a signature.
    UnsignedTar,
    /// A cached tar that the first start would reject.
    RejectedTar(String),
}

/// A kind of credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An AWS access key ID.
    AccessKeyId,
    /// A variable or option that is a credential.
    Variable(&'static str),
    /// A variable with a URL that contains a password.
    UrlPassword(String),
    /// The agent's `EngineAuthData`.
    EngineAuthData,
}

const FROM_USER_DATA: &str =
    "remove it, and let user data write it or ECS_INIT_CONFIG_S3 download it at boot";
const USE_ROLE: &str = "remove it, and give the instance an IAM role";
const BAKE_AGAIN: &str = "bake again, or delete it";
const DELETE: &str = "delete it";

impl Rule {
    /// Its name, which does not change between versions.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Unreadable(_) => "unreadable",
            Rule::AgentState { .. } => "agent-state",
            Rule::GpuState(_) => "gpu-state",
            Rule::Logs(_) => "logs",
            Rule::DesiredImage => "desired-image",
            Rule::PartialTar => "partial-tar",
            Rule::PartialConfig => "partial-config",
            Rule::S3Config => "s3-config",
            Rule::AwsCredentials => "aws-credentials",
            Rule::Container(_) => "container",
            Rule::RegistryLogin(_) => "registry-login",
            Rule::Credential { .. } => "credential",
            Rule::Config(_) => "config",
            Rule::Writable { .. } => "writable",
            Rule::Owner(_) => "owner",
            Rule::MaskedUnit => "masked-unit",
            Rule::Keyring(_) => "keyring",
            Rule::DanglingTar(_) => "dangling-tar",
            Rule::EmptyTar => "empty-tar",
            Rule::CacheState { .. } => "cache-state",
            Rule::UnsignedTar => "unsigned-tar",
            Rule::RejectedTar(_) => "rejected-tar",
        }
    }

    /// How to comply with it.
    #[must_use]
    pub fn fix(&self) -> String {
        let fix = match self {
            Rule::Unreadable(_) => "make it readable, or run the check as root",
            Rule::AgentState { .. } | Rule::GpuState(_) => "delete its content",
            Rule::Logs(_) => "delete the files in it",
            Rule::DesiredImage
            | Rule::PartialTar
            | Rule::PartialConfig
            | Rule::S3Config
            | Rule::AwsCredentials
            | Rule::MaskedUnit => DELETE,
            Rule::Container(name) => {
                return format!("stop the agent and `docker rm {name}`, or delete the directory");
            }
            Rule::RegistryLogin(_) => "`docker logout`, and let user data log in at boot",
            Rule::Credential { credential, .. } => credential.fix(),
            Rule::Config(_) => "correct or remove it",
            Rule::Writable { .. } => "`chmod go-w` it",
            Rule::Owner(_) => "`chown root:root` it",
            Rule::Keyring(_) => "install the keyring, or unset ECS_INIT_KEYRING",
            Rule::DanglingTar(_) | Rule::EmptyTar => BAKE_AGAIN,
            Rule::CacheState { .. } => "write 2 to it",
            Rule::UnsignedTar | Rule::RejectedTar(_) => {
                "bake again, or delete it and its signature"
            }
        };
        fix.to_owned()
    }
}

impl Credential {
    fn fix(&self) -> &'static str {
        match self {
            Credential::AccessKeyId => USE_ROLE,
            Credential::Variable(name) if name.starts_with("AWS_") => USE_ROLE,
            _ => FROM_USER_DATA,
        }
    }
}

/// What is wrong, as it reads on after a path.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Rule::AgentState { instance, names } => {
                f.write_str("contains the agent's state")?;
                if let Some(instance) = instance {
                    write!(f, " of instance {instance}")?;
                }
                write!(f, " ({})", some(names))
            }
            Rule::GpuState(names) => {
                write!(f, "describes the GPUs of one instance ({})", some(names))
            }
            Rule::Logs(names) => write!(f, "contains logs ({})", some(names)),
            Rule::DesiredImage => f.write_str("is the update that one instance's agent requested"),
            Rule::PartialTar => f.write_str("is an unfinished download"),
            Rule::PartialConfig => {
                f.write_str("is an unfinished download, possibly of one instance's secrets")
            }
            Rule::S3Config => {
                f.write_str("was downloaded from S3 for one instance and may contain its secrets")
            }
            Rule::AwsCredentials => f.write_str("contains AWS credentials of root"),
            Rule::Container(name) => {
                write!(f, "is Docker's container {name}, which ran on one instance")
            }
            Rule::RegistryLogin(registries) => {
                write!(f, "contains the credentials of {}", registries.join(", "))
            }
            Rule::Credential { line, credential } => {
                if let Some(line) = line {
                    write!(f, "line {line}: ")?;
                }
                write!(f, "{credential}")
            }
            Rule::Config(why) | Rule::Keyring(why) => f.write_str(why),
            Rule::Writable { mode } => {
                write!(
                    f,
                    "can be written by other users than its owner (mode {mode:04o})"
                )
            }
            Rule::Owner(user) => write!(f, "belongs to user {user}, not to root"),
            Rule::MaskedUnit => f.write_str("masks the service: nothing starts the agent"),
            Rule::DanglingTar(target) => write!(f, "is a link to {target}, which does not exist"),
            Rule::EmptyTar => f.write_str("is empty"),
            Rule::CacheState { loaded: true } => {
                f.write_str("is 1: Docker of one instance has loaded the cached tar")
            }
            Rule::CacheState { loaded: false } => {
                f.write_str("is not 2: the first start downloads the tar instead of loading it")
            }
            Rule::UnsignedTar => {
                f.write_str("has no signature: the first start has to download one")
            }
            Rule::RejectedTar(why) => write!(f, "would be rejected: {why}"),
        }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::AccessKeyId => f.write_str("contains an AWS access key ID"),
            Credential::Variable(name) => write!(f, "sets {name}, a credential"),
            Credential::UrlPassword(name) => write!(f, "sets {name} to a URL with a password"),
            Credential::EngineAuthData => {
                f.write_str("contains EngineAuthData, credentials of registries")
            }
        }
    }
}

/// The first of many names.
fn some(names: &[OsString]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).map(|name| name.to_string_lossy());
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
