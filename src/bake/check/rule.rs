//! The table of rules that `--check` applies.

/// Defines [`Rule`] from the table of rules.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident, $name:literal: $what:expr; $fix:expr;)*) => {
        /// What must not be in an image.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// Its name, which does not change between versions.
            pub fn name(self) -> &'static str {
                match self { $(Rule::$rule => $name,)* }
            }

            /// What is wrong and how to fix it; `{}` stands for the detail of a finding.
            pub(super) fn texts(self) -> (&'static str, &'static str) {
                match self { $(Rule::$rule => ($what, $fix),)* }
            }
        }
    };
}

const USE_ROLE: &str = "remove it, and give the instance an IAM role";
const FROM_USER_DATA: &str =
    "remove it, and let user data write it or ECS_INIT_CONFIG_S3 download it at boot";

rules! {
    /// A file or directory cannot be read, so it is not checked.
    Unreadable, "unreadable":
        "cannot be read: {}"; "make it readable, or run the check as root";
    /// The agent's state, which identifies an instance of the cluster.
    AgentState, "agent-state":
        "contains the agent's state ({})"; "delete its content";
    /// What the agent wrote about the GPUs of one instance.
    GpuState, "gpu-state":
        "describes the GPUs of one instance ({})"; "delete its content";
    /// Logs of the agent.
    Logs, "logs":
        "contains logs ({})"; "delete the files in it";
    /// The update that one instance's agent requested.
    DesiredImage, "desired-image":
        "is the update that one instance's agent requested"; "delete it";
    /// An unfinished download of the tar.
    PartialTar, "partial-tar":
        "is an unfinished download"; "delete it";
    /// An unfinished download of the configuration.
    PartialConfig, "partial-config":
        "is an unfinished download, possibly of one instance's secrets"; "delete it";
    /// Configuration from S3.
    S3Config, "s3-config":
        "was downloaded from S3 for one instance and may contain its secrets"; "delete it";
    /// AWS credentials in root's home directory.
    AwsCredentials, "aws-credentials":
        "contains AWS credentials of root"; "delete it";
    /// A container of the agent or of a task.
    Container, "container":
        "is Docker's container {}, which ran on one instance";
        "stop the agent and `docker rm {}`, or delete the directory";
    /// Credentials of container registries, from `docker login`.
    RegistryLogin, "registry-login":
        "contains the credentials of {}"; "`docker logout`, and let user data log in at boot";
    /// An AWS key in a configuration file.
    AwsKey, "aws-key":
        "{}"; USE_ROLE;
    /// Another credential in a configuration file.
    Credential, "credential":
        "{}"; FROM_USER_DATA;
    /// A line that a start ignores, or a setting with which it fails.
    Config, "config":
        "{}"; "correct or remove it";
    /// A file that users other than its owner can write.
    Writable, "writable":
        "can be written by users other than its owner (mode {})"; "`chmod go-w` it";
    /// A file that another user than root owns.
    Owner, "owner":
        "belongs to user {}, not to root"; "`chown root:root` it";
    /// A unit that masks the service.
    MaskedUnit, "masked-unit":
        "masks the service: nothing starts the agent"; "delete it";
    /// A keyring with which nothing can be verified.
    Keyring, "keyring":
        "is ECS_INIT_KEYRING, without which every start fails: {}";
        "install the keyring, or unset ECS_INIT_KEYRING";
    /// A link to a cached tar that does not exist.
    DanglingTar, "dangling-tar":
        "is a link to {}, which does not exist"; "bake again, or delete it";
    /// An empty cached tar.
    EmptyTar, "empty-tar":
        "is empty"; "bake again, or delete it";
    /// A state of the cache with which the first start does not load the tar.
    CacheState, "cache-state":
        "is {}, not 2: the first start does not load the cached tar"; "write 2 to it";
    /// A cached tar without a signature.
    UnsignedTar, "unsigned-tar":
        "has no signature: the first start has to download one"; "bake again, or delete it";
    /// A cached tar that the first start rejects.
    RejectedTar, "rejected-tar":
        "would be rejected: {}"; "bake again, or delete it and its signature";
}
