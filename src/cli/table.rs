//! The commands. Parser, usage, help and the test of the documentation read this table.

use std::ffi::OsStr;

use super::arguments::OptionSpec;
use super::bake;
use super::spec::{CommandSpec, ConfigSource};
use crate::command::Command;
use crate::error::{Error, Result};

/// The command of this name or alias.
pub(super) fn find(name: &str) -> Option<&'static CommandSpec> {
    COMMANDS
        .iter()
        .find(|spec| spec.name == name || spec.aliases.contains(&name))
}

/// The command of this name or alias.
///
/// # Errors
/// The command is unknown.
pub(super) fn require(name: &OsStr) -> Result<&'static CommandSpec> {
    let unknown = || Error::usage(format!("unknown command '{}'", name.display()));
    name.to_str().and_then(find).ok_or_else(unknown)
}

/// Every command, in the order of the help text.
pub(super) const COMMANDS: [CommandSpec; 11] = [
    CommandSpec::new(
        "pre-start",
        "prepare the host: sysctls, route, firewall rules, verified image in Docker",
        "\
Sets net.ipv4.conf.all.route_localnet, adds the route that an IPv6-only host needs and the firewall
rules that redirect the tasks' credentials endpoint to the agent. Then loads the agent's image into
Docker, from the first of /var/cache/ecs, ECS_INIT_AGENT_TAR, ECS_INIT_MIRROR and Amazon's S3
buckets that has it. The OpenPGP signature is verified before anything is loaded. With
ECS_INIT_AGENT_SOURCE=registry, Docker pulls ECS_INIT_AGENT_IMAGE by digest instead. Idempotent.",
        |_| Ok(Command::PreStart),
    ),
    CommandSpec::new(
        "start",
        "run the agent's container and restart it as needed, until SIGTERM or SIGINT",
        "\
Replaces a container named ecs-agent. The agent's exit code decides what follows: after 0, exit with
0; after 5 (cannot run on this host), exit with 5; after 42, load the image that the agent requested
and start it; after any other code, restart the agent after 0.5 s, doubling up to 15 s. SIGTERM and
SIGINT stop the agent (10 s timeout) and exit with 0.",
        |_| Ok(Command::Start),
    ),
    CommandSpec {
        aliases: &["pre-stop"],
        ..CommandSpec::new(
            "stop",
            "stop the agent's container, with a timeout of 10 s",
            "An agent that is not running is not an error.",
            |_| Ok(Command::Stop),
        )
    },
    CommandSpec::new(
        "post-stop",
        "undo the network changes of pre-start; does not need Docker",
        "\
Removes the firewall rules and the route of pre-start and sets net.ipv4.conf.all.route_localnet to
the value of net.ipv4.conf.default.route_localnet. Rules of other programs stay. Failures are
logged; the exit code is 0.",
        |_| Ok(Command::PostStop),
    ),
    CommandSpec::new(
        "reload-cache",
        "load the cached image into Docker again; download it first if it is missing",
        "\
The cached tar is verified again before it is loaded. With ECS_INIT_AGENT_SOURCE=registry, Docker
pulls the image again.",
        |_| Ok(Command::ReloadCache),
    ),
    CommandSpec {
        usage: &["[--respawned]"],
        options: &[OptionSpec::new(
            "respawned",
            "\
for an init that restarts the process whenever it exits: instead of
exiting with 0 or 5, wait for SIGTERM; exit 15 s after any other failure",
        )],
        ..CommandSpec::new(
            "run",
            "pre-start, start and post-stop in one process, for an init without hooks",
            "\
Starts the agent as `start` does. When the agent ends, or at SIGTERM or SIGINT, undoes the network
changes as `post-stop` does. The exit code is that of `start`.

A program called by the name `run` (argv[0]) behaves as `run --respawned`.",
            |arguments| {
                let respawned = arguments.flag("respawned");
                Ok(Command::Run { respawned })
            },
        )
    },
    CommandSpec {
        usage: &["TAR [SIG]"],
        ..CommandSpec::new(
            "verify",
            "verify the detached OpenPGP signature of a tar",
            "\
SIG defaults to TAR.asc. Trusted are the Amazon ECS certificate, which is compiled in, and the
certificates in the file that ECS_INIT_KEYRING names. Prints the SHA-256 and the fingerprints of the
certificate and of the signing key; exits with 255 if the signature is not valid.",
            |arguments| {
                Ok(Command::Verify {
                    tar: arguments.operand("TAR")?,
                    signature: arguments.optional_operand(),
                })
            },
        )
    },
    CommandSpec::new(
        "rules",
        "print the firewall rules of pre-start",
        "\
The format is that of iptables-save or of `nft -f`. Changes nothing. The bridge's name comes from
Docker, or is docker0 if Docker does not answer.",
        |_| Ok(Command::Rules),
    ),
    CommandSpec {
        usage: &[
            "--root DIR --agent-version V [OPTION]...",
            "--root DIR --tar FILE [OPTION]...",
            "--root DIR --no-agent [OPTION]...",
            "--check DIR",
        ],
        options: &bake::OPTIONS,
        config: ConfigSource::Environment,
        ..CommandSpec::new(
            "bake",
            "install the agent, its configuration, this program and its service into an image",
            bake::DETAILS,
            bake::build,
        )
    },
    CommandSpec {
        config: ConfigSource::None,
        ..CommandSpec::new(
            "version",
            "print the version",
            "Also `ecs-init --version`.",
            |_| Ok(Command::Version),
        )
    },
    CommandSpec {
        usage: &["[COMMAND]"],
        config: ConfigSource::None,
        ..CommandSpec::new(
            "help",
            "print this text or the help of a command",
            "Also `ecs-init COMMAND --help`.",
            |arguments| match arguments.optional_operand() {
                None => Ok(Command::Help(None)),
                Some(name) => Ok(Command::Help(Some(require(name.as_os_str())?.name))),
            },
        )
    },
];
