//! The commands. Parser, usage, help and the check of the documentation read this table.

use super::{ConfigSource, Given, bake};
use crate::command::Command;
use crate::error::Result;

/// One command of the program.
#[derive(Debug)]
pub struct Spec {
    /// The first word of the command line.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// What follows the name, one entry for each form.
    pub usage: &'static [&'static str],
    /// What it does, on one line.
    pub summary: &'static str,
    /// The rest of its help.
    pub details: &'static str,
    /// The options it takes.
    pub(super) options: &'static [OptionSpec],
    /// Which configuration it needs.
    pub(super) config: ConfigSource,
    /// Makes the command from its arguments.
    pub(super) build: fn(&mut Given) -> Result<Command>,
}

/// One option of a command.
#[derive(Debug)]
pub struct OptionSpec {
    /// The name, without `--`.
    pub name: &'static str,
    /// What its value stands for; none for a flag.
    pub value: Option<&'static str>,
    /// Whether it may be given more than once.
    pub repeatable: bool,
    /// What it does; its lines are indented in the help.
    pub help: &'static str,
}

impl OptionSpec {
    /// An option without a value.
    pub(super) const fn flag(name: &'static str, help: &'static str) -> OptionSpec {
        OptionSpec {
            name,
            value: None,
            repeatable: false,
            help,
        }
    }

    /// An option with a value.
    pub(super) const fn value(
        name: &'static str,
        value: &'static str,
        help: &'static str,
    ) -> OptionSpec {
        OptionSpec {
            name,
            value: Some(value),
            repeatable: false,
            help,
        }
    }
}

/// The command of this name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static Spec> {
    COMMANDS
        .iter()
        .find(|spec| spec.name == name || spec.aliases.contains(&name))
}

/// Every command, in the order of the help text.
pub const COMMANDS: [Spec; 11] = [
    Spec {
        name: "pre-start",
        aliases: &[],
        usage: &[""],
        summary: "prepare the host: sysctls, route, firewall rules, verified image in Docker",
        details: "\
Sets net.ipv4.conf.all.route_localnet, adds the route that an IPv6-only host needs and the firewall
rules that redirect the tasks' credentials endpoint to the agent. Then loads the agent's image into
Docker, from the first of /var/cache/ecs, ECS_INIT_AGENT_TAR, ECS_INIT_MIRROR and Amazon's S3
buckets that has it. The OpenPGP signature is verified before anything is loaded. With
ECS_INIT_AGENT_SOURCE=registry, Docker pulls ECS_INIT_AGENT_IMAGE by digest instead. Idempotent.",
        options: &[],
        config: ConfigSource::Files,
        build: |_| Ok(Command::PreStart),
    },
    Spec {
        name: "start",
        aliases: &[],
        usage: &[""],
        summary: "run the agent's container and restart it as needed, until SIGTERM or SIGINT",
        details: "\
Replaces a container named ecs-agent. The agent's exit code decides what follows: after 0, exit with
0; after 5 (cannot run on this host), exit with 5; after 42, load the image that the agent requested
and start it; after any other code, restart the agent after 0.5 s, doubling up to 15 s. SIGTERM and
SIGINT stop the agent (10 s timeout) and exit with 0.",
        options: &[],
        config: ConfigSource::Files,
        build: |_| Ok(Command::Start),
    },
    Spec {
        name: "stop",
        aliases: &["pre-stop"],
        usage: &[""],
        summary: "stop the agent's container, with a timeout of 10 s",
        details: "An agent that is not running is not an error.",
        options: &[],
        config: ConfigSource::Files,
        build: |_| Ok(Command::Stop),
    },
    Spec {
        name: "post-stop",
        aliases: &[],
        usage: &[""],
        summary: "undo the network changes of pre-start; does not need Docker",
        details: "\
Removes the firewall rules and the route of pre-start and sets net.ipv4.conf.all.route_localnet to
the value of net.ipv4.conf.default.route_localnet. Rules of other programs stay. Failures are
logged; the exit code is 0.",
        options: &[],
        config: ConfigSource::Files,
        build: |_| Ok(Command::PostStop),
    },
    Spec {
        name: "reload-cache",
        aliases: &[],
        usage: &[""],
        summary: "load the cached image into Docker again; download it first if it is missing",
        details: "\
The cached tar is verified again before it is loaded. With ECS_INIT_AGENT_SOURCE=registry, Docker
pulls the image again.",
        options: &[],
        config: ConfigSource::Files,
        build: |_| Ok(Command::ReloadCache),
    },
    Spec {
        name: "run",
        aliases: &[],
        usage: &["[--respawned]"],
        summary: "pre-start, start and post-stop in one process, for an init without hooks",
        details: "\
Starts the agent as `start` does. When the agent ends, or at SIGTERM or SIGINT, undoes the network
changes as `post-stop` does. The exit code is that of `start`.

A program called by the name `run` (argv[0]) behaves as `run --respawned`.",
        options: &[OptionSpec::flag(
            "respawned",
            "\
for an init that restarts the process whenever it exits: instead of
exiting with 0 or 5, wait for SIGTERM; exit 15 s after any other failure",
        )],
        config: ConfigSource::Files,
        build: |given| {
            let respawned = given.flag("respawned");
            Ok(Command::Run { respawned })
        },
    },
    Spec {
        name: "verify",
        aliases: &[],
        usage: &["TAR [SIG]"],
        summary: "verify the detached OpenPGP signature of a tar",
        details: "\
SIG defaults to TAR.asc. Trusted are the Amazon ECS certificate, which is compiled in, and the
certificates in the file that ECS_INIT_KEYRING names. Prints the SHA-256 and the fingerprints of the
certificate and of the signing key; exits with 255 if the signature is not valid.",
        options: &[],
        config: ConfigSource::Files,
        build: |given| {
            Ok(Command::Verify {
                tar: given.operand("TAR")?,
                signature: given.optional_operand(),
            })
        },
    },
    Spec {
        name: "rules",
        aliases: &[],
        usage: &[""],
        summary: "print the firewall rules of pre-start",
        details: "\
The format is that of iptables-save or of `nft -f`. Changes nothing. The bridge's name comes from
Docker, or is docker0 if Docker does not answer.",
        options: &[],
        config: ConfigSource::Files,
        build: |_| Ok(Command::Rules),
    },
    Spec {
        name: "bake",
        aliases: &[],
        usage: &[
            "--root DIR --agent-version V [OPTION]...",
            "--root DIR --tar FILE [OPTION]...",
            "--root DIR --no-agent [OPTION]...",
            "--check DIR",
        ],
        summary: "install the agent, its configuration, this program and its service into an image",
        details: bake::DETAILS,
        options: &bake::OPTIONS,
        config: ConfigSource::Environment,
        build: bake::build,
    },
    Spec {
        name: "version",
        aliases: &[],
        usage: &[""],
        summary: "print the version",
        details: "Also `ecs-init --version`.",
        options: &[],
        config: ConfigSource::None,
        build: |_| Ok(Command::Version),
    },
    Spec {
        name: "help",
        aliases: &[],
        usage: &["[COMMAND]"],
        summary: "print this text or the help of a command",
        details: "Also `ecs-init COMMAND --help`.",
        options: &[],
        config: ConfigSource::None,
        build: |given| match given.optional_operand() {
            None => Ok(Command::Help(None)),
            Some(name) => Ok(Command::Help(Some(super::known(name.as_os_str())?.name))),
        },
    },
];
