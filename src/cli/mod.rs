//! Arguments to a [`Command`], and the help texts. Pure: no I/O, no exit.

mod bake;

use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;

use crate::command::Command;
use crate::error::{Error, Result};

struct Verb {
    name: &'static str,
    line: &'static str,
    more: &'static str,
}

/// Every verb, in the order of the help text.
const VERBS: [Verb; 12] = [
    Verb {
        name: "pre-start",
        line: "prepare the host: sysctls, route, firewall rules, verified image in Docker",
        more: "\
Writes net.ipv4.conf.all.route_localnet, the route that an IPv6-only host needs, and the firewall
rules that bring tasks to their credentials; then makes sure that the agent's image is in Docker:
from /var/cache/ecs, ECS_INIT_AGENT_TAR, ECS_INIT_MIRROR or Amazon's buckets, in this order.
Nothing is loaded before its OpenPGP signature held. With ECS_INIT_AGENT_SOURCE=registry Docker
pulls ECS_INIT_AGENT_IMAGE instead, by its digest. Doing it twice is the same as once.",
    },
    Verb {
        name: "start",
        line: "run the agent's container and keep it running, until SIGTERM or SIGINT",
        more: "\
Replaces any container named ecs-agent. The agent's exit code decides what comes next: 0 ends with
0, 5 ends with 5 (do not restart), 42 loads the image that the agent wants and starts it, anything
else starts it again after 0.5 s, doubling to 15 s. SIGTERM and SIGINT stop the agent (10 s) and
end with 0.",
    },
    Verb {
        name: "stop",
        line: "stop the agent's container, with ten seconds of grace",
        more: "An agent that does not run is no error.",
    },
    Verb {
        name: "pre-stop",
        line: "the same as stop",
        more: "An agent that does not run is no error.",
    },
    Verb {
        name: "post-stop",
        line: "take back what pre-start wrote into the network; needs no Docker",
        more: "\
Takes out our firewall rules, the route, and sets net.ipv4.conf.all.route_localnet back to the
value of `default`. What others wrote stays. Failures are logged, not returned.",
    },
    Verb {
        name: "reload-cache",
        line: "load the cached image into Docker anew; download it first if there is none",
        more: "The cached tar is verified again before it is loaded.",
    },
    Verb {
        name: "run",
        line: "pre-start, start and post-stop in one process, for an init without hooks",
        more: "\
The container is started as by `start`; when it ends, or at SIGTERM or SIGINT, the network is taken
back as by `post-stop`. The exit code is that of `start`.

--respawned is for an init that starts again whatever ends: where there is nothing to start again
(exit codes 0 and 5) the process stays until SIGTERM, and after a failure it ends 15 s later.
Called by the name `run`, the program does the same.",
    },
    Verb {
        name: "verify",
        line: "check a tar and its detached OpenPGP signature",
        more: "\
usage: ecs-init verify TAR [SIG]

SIG is TAR.asc if it is not named. Trusted are the Amazon ECS certificate, which is compiled in,
and those in the file that ECS_INIT_KEYRING names. Prints the digest, the certificate's and the
signing key's fingerprints; ends with 255 if the signature does not hold.",
    },
    Verb {
        name: "rules",
        line: "print the firewall rules that pre-start would write, as iptables-save does",
        more: "Writes nothing. The bridge's name is asked of Docker if it answers, else docker0.",
    },
    Verb {
        name: "bake",
        line: "fill an image's root tree: agent, configuration, this program, its service",
        more: bake::HELP,
    },
    Verb {
        name: "version",
        line: "print the version",
        more: "Also --version.",
    },
    Verb {
        name: "help",
        line: "print this text, or a verb's with `ecs-init VERB --help`",
        more: "Also --help.",
    },
];

/// The general help text.
#[must_use]
pub fn usage() -> String {
    let mut text = String::from(
        "Gets, verifies, runs and supervises the Amazon ECS agent.\n\n\
         usage: ecs-init VERB\n\nverbs:\n",
    );
    for verb in &VERBS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<13} {}", verb.name, verb.line);
    }
    text.push_str(
        "\nConfiguration: environment, /etc/ecs/ecs.config, /var/lib/ecs/ecs.config.\n\
         Exit codes: 0 done, 1 wrong command line, 5 the agent says it can never work here,\n\
         255 anything else that failed.\n",
    );
    text
}

/// The help text of one verb, or the general one for an unknown name.
#[must_use]
pub fn help(name: &str) -> String {
    match VERBS.iter().find(|verb| verb.name == name) {
        Some(verb) if !matches!(name, "help") => {
            format!("ecs-init {}: {}\n\n{}\n", verb.name, verb.line, verb.more)
        }
        _ => usage(),
    }
}

/// The arguments in a command line, whose first word is the program's own name. By the name `run`,
/// as s6, runit and daemontools execute a service, it is `run --respawned`: they start again
/// whatever ends, and their service is a link to the program.
pub fn arguments(line: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut line = line.into_iter();
    match line.next() {
        Some(name) if PathBuf::from(&name).ends_with("run") => {
            vec!["run".into(), "--respawned".into()]
        }
        _ => line.collect(),
    }
}

/// Reads the arguments, without the program's own name.
///
/// # Errors
/// A usage error (exit 1) that names the argument.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command> {
    use lexopt::Arg::{Long, Short, Value};

    let mut parser = lexopt::Parser::from_args(arguments);
    let mut verb: Option<&'static str> = None;
    let mut operands: Vec<PathBuf> = Vec::new();
    let mut respawned = false;
    while let Some(argument) = parser.next().map_err(wrong)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help(verb.unwrap_or("help"))),
            Short('V') | Long("version") => return Ok(Command::Version),
            Long("respawned") if verb == Some("run") => respawned = true,
            Value(value) if verb.is_none() => {
                let known = VERBS.iter().find(|v| value == v.name);
                verb = Some(known.map(|v| v.name).ok_or_else(|| {
                    Error::usage(format!("there is no verb '{}'", value.display()))
                })?);
                if verb == Some("bake") {
                    return bake::parse(parser);
                }
            }
            Value(value) => operands.push(value.into()),
            option => return Err(wrong(option.unexpected())),
        }
    }
    let verb = verb.ok_or_else(|| Error::usage("no verb was given"))?;
    if verb == "verify" {
        let mut operands = operands.into_iter();
        let tar = operands
            .next()
            .ok_or_else(|| Error::usage("verify needs the tar's path"))?;
        let signature = operands.next();
        return match operands.next() {
            None => Ok(Command::Verify { tar, signature }),
            Some(extra) => Err(surplus(verb, &extra)),
        };
    }
    if let Some(extra) = operands.first() {
        return Err(surplus(verb, extra));
    }
    Ok(match verb {
        "pre-start" => Command::PreStart,
        "start" => Command::Start,
        "stop" | "pre-stop" => Command::Stop,
        "post-stop" => Command::PostStop,
        "reload-cache" => Command::ReloadCache,
        "run" => Command::Run { respawned },
        "rules" => Command::Rules,
        "version" => Command::Version,
        _ => Command::Help("help"),
    })
}

fn wrong(error: lexopt::Error) -> Error {
    Error::usage(error.to_string())
}

fn surplus(verb: &str, extra: &std::path::Path) -> Error {
    Error::usage(format!("{verb} takes no argument '{}'", extra.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    fn parsed(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn verbs_and_their_operands() {
        assert_eq!(parsed("pre-stop").unwrap(), Command::Stop);
        assert_eq!(parsed("version").unwrap(), Command::Version);
        assert_eq!(parsed("run --help").unwrap(), Command::Help("run"));
        assert_eq!(parsed("--help").unwrap(), Command::Help("help"));
        assert_eq!(
            parsed("verify a b").unwrap(),
            Command::Verify {
                tar: "a".into(),
                signature: Some("b".into())
            }
        );
    }

    #[test]
    fn a_service_that_is_a_link_called_run_is_started_again() {
        let called = |line: &str| parse(arguments(line.split(' ').map(OsString::from))).unwrap();
        let run = |respawned| Command::Run { respawned };
        assert_eq!(called("./run"), run(true));
        // s6-supervise adds the service's name.
        assert_eq!(called("run ecs"), run(true));
        assert_eq!(called("ecs-init run --respawned"), run(true));
        assert_eq!(called("/usr/libexec/amazon-ecs-init run"), run(false));
        assert!(parsed("start --respawned").is_err());
    }

    #[test]
    fn a_wrong_line_ends_with_1_and_names_the_word() {
        for (line, word) in [
            ("", "no verb"),
            ("strat", "'strat'"),
            ("start now", "'now'"),
            ("verify", "path"),
            ("verify a b c", "'c'"),
            ("start --fast", "--fast"),
            ("bake --fast", "--fast"),
        ] {
            let error = parsed(line).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage, "{line}");
            assert!(error.to_string().contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn every_verb_has_a_help_text_of_its_own() {
        for verb in VERBS.iter().filter(|v| v.name != "help") {
            let asked = parsed(&format!("{} --help", verb.name)).unwrap();
            assert_eq!(asked, Command::Help(verb.name));
            assert!(help(verb.name).contains(verb.more));
        }
    }
}
