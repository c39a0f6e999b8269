//! The options of `bake`: their table, and how they become [`Options`].

use std::ffi::{OsStr, OsString};

use super::arguments::{OptionSpec, ParsedArguments};
use crate::bake::Options;
use crate::bake::options::{AgentLocation, EcsConfig};
use crate::command::Command;
use crate::config::{file, value};
use crate::error::{Error, Result};
use crate::types::{AgentVersion, Architecture};

/// What `help bake` says before the options.
pub(super) const DETAILS: &str = "\
Installs into the root tree of an image, or with --root / into the running host: the agent's tar and
its signature, both verified; the configuration; this program; its service, enabled; a manifest of
all of these. On failure nothing is changed. Idempotent. Does not need Docker.

Proxies, endpoints, ECS_INIT_KEYRING and ECS_INIT_ALLOW_UNSIGNED are read from the environment; no
ecs.config of this machine is read.";

/// The options of `bake`.
pub(super) const OPTIONS: [OptionSpec; 15] = [
    OptionSpec::new("root DIR", "root directory of the image"),
    OptionSpec::new(
        "agent-version V",
        "v1.2.3, latest, or the first 8 hex digits of a commit; optional\nwith --tar",
    ),
    OptionSpec::new(
        "arch ARCH",
        "amd64 (x86_64) or arm64 (aarch64); default: this machine's",
    ),
    OptionSpec::new(
        "region R",
        "download the tar from Amazon's buckets, first from this region's",
    ),
    OptionSpec::new("mirror URL", "download the tar from below this URL"),
    OptionSpec::new(
        "tar FILE",
        "use this tar; its signature is FILE.asc or --sig",
    ),
    OptionSpec::new("sig FILE", "the signature of --tar"),
    OptionSpec::new(
        "no-agent",
        "install no agent: the first start downloads it; an agent that is in\nthe image stays",
    ),
    OptionSpec {
        repeatable: true,
        ..OptionSpec::new(
            "config KEY=VALUE",
            "a line of /etc/ecs/ecs.config, in that file's syntax; repeatable",
        )
    },
    OptionSpec::new("config-file FILE", "the content of /etc/ecs/ecs.config"),
    OptionSpec::new(
        "force",
        "replace an /etc/ecs/ecs.config that has other content",
    ),
    OptionSpec::new(
        "init NAME",
        "systemd, openrc, runit, s6, s6-linux-init, sysvinit, upstart, busybox\n\
         or none; default: detected in the image",
    ),
    OptionSpec::new(
        "binary FILE",
        "ecs-init for ARCH; default: this file, or ecs-init-x86_64 or\n\
         ecs-init-aarch64 in its directory",
    ),
    OptionSpec::new(
        "keyring FILE",
        "more trusted certificates, for this bake and for the image",
    ),
    OptionSpec::new(
        "check DIR",
        "change nothing; list what must not be in an image and how to fix it;\n\
         exit with 255 if there is anything",
    ),
];

/// Builds the command from the parsed options.
pub(super) fn build(arguments: &mut ParsedArguments) -> Result<Command> {
    // Not shown: it may be part of a secret that the shell split off.
    if !arguments.operands.is_empty() {
        return Err(Error::usage(
            "bake takes options only; quote values with blanks, such as that of --config",
        ));
    }
    if let Some(tree) = arguments.path("check") {
        if arguments.options.len() > 1 {
            return Err(Error::usage("--check takes no other option"));
        }
        return Ok(Command::BakeCheck(tree));
    }
    let root = arguments.path("root");
    let root = root.ok_or_else(|| Error::usage("missing option --root DIR"))?;
    let agent = agent(arguments)?;
    let version = arguments.parsed("agent-version", str::parse::<AgentVersion>)?;
    match (&agent, &version) {
        (AgentLocation::None, Some(_)) => {
            return Err(Error::usage("--no-agent excludes --agent-version"));
        }
        (
            AgentLocation::Environment | AgentLocation::Region(_) | AgentLocation::Mirror(_),
            None,
        ) => {
            return Err(Error::usage(
                "missing option --agent-version V, --tar FILE or --no-agent",
            ));
        }
        (AgentLocation::File { tar, .. }, Some(wanted)) => {
            if let Some(name) = tar.file_name().and_then(OsStr::to_str)
                && let Some(named) = wanted.conflicts_with_name(name)
            {
                return Err(Error::usage(format!(
                    "--tar {name}: the name says version {named}, --agent-version says {wanted}"
                )));
            }
        }
        _ => {}
    }
    Ok(Command::Bake(Box::new(Options {
        root,
        architecture: arguments
            .parsed("arch", architecture)?
            .unwrap_or(Architecture::native()),
        version,
        agent,
        ecs_config: ecs_config(arguments)?,
        init: arguments.parsed("init", str::parse)?,
        binary: arguments.path("binary"),
        keyring: arguments.path("keyring"),
        force: arguments.flag("force"),
    })))
}

fn agent(arguments: &ParsedArguments) -> Result<AgentLocation> {
    let region = arguments.parsed("region", value::region)?;
    let mirror = arguments.parsed("mirror", value::url)?;
    let (tar, signature) = (arguments.path("tar"), arguments.path("sig"));
    if signature.is_some() && tar.is_none() {
        return Err(Error::usage("--sig needs --tar"));
    }
    match (region, mirror, tar, arguments.flag("no-agent")) {
        (None, None, None, false) => Ok(AgentLocation::Environment),
        (Some(region), None, None, false) => Ok(AgentLocation::Region(region)),
        (None, Some(url), None, false) => Ok(AgentLocation::Mirror(url)),
        (None, None, Some(tar), false) => Ok(AgentLocation::File { tar, signature }),
        (None, None, None, true) => Ok(AgentLocation::None),
        _ => Err(Error::usage(
            "--region, --mirror, --tar and --no-agent exclude each other",
        )),
    }
}

fn ecs_config(arguments: &ParsedArguments) -> Result<EcsConfig> {
    match (arguments.flag("config"), arguments.path("config-file")) {
        (false, None) => Ok(EcsConfig::Keep),
        (false, Some(file)) => Ok(EcsConfig::File(file)),
        (true, Some(_)) => Err(Error::usage(
            "--config and --config-file exclude each other",
        )),
        (true, None) => {
            let lines = arguments.values("config").enumerate();
            let lines = lines.map(|(index, text)| line(index + 1, text));
            Ok(EcsConfig::Lines(lines.collect::<Result<_>>()?))
        }
    }
}

/// One line of `ecs.config`. Errors do not show it: it may be a secret.
fn line(number: usize, text: &OsString) -> Result<String> {
    let invalid = |why: &str| {
        Error::usage(format!(
            "--config, occurrence {number}: not KEY=VALUE: {why}"
        ))
    };
    let text = text.to_str().ok_or_else(|| invalid("not UTF-8"))?;
    // The second line detects a backslash at the end of the first.
    match file::parse(&format!("{text}\nX=1\n")).collect::<Result<Vec<_>, _>>() {
        Ok(set) if set.len() == 2 => Ok(text.to_owned()),
        Ok(_) => Err(invalid("not one assignment")),
        Err(bad) => Err(invalid(bad.problem)),
    }
}

/// An architecture by either of its names.
fn architecture(text: &str) -> Result<Architecture, &'static str> {
    match text {
        "amd64" | "x86_64" => Ok(Architecture::Amd64),
        "arm64" | "aarch64" => Ok(Architecture::Arm64),
        _ => Err("use amd64 (x86_64) or arm64 (aarch64)"),
    }
}

#[cfg(test)]
mod tests;
