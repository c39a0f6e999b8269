//! The options of `bake`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::Arg::{Long, Short};
use lexopt::{Parser, ValueExt};

use super::wrong;
use crate::bake::order::{Order, Settings, Whence};
use crate::command::Command;
use crate::config::{file, value};
use crate::error::{Error, Result};
use crate::http::url::redact;
use crate::types::AgentVersion;
use crate::types::Architecture;

/// What `bake --help` says.
pub(super) const HELP: &str = "\
usage: ecs-init bake --root DIR --agent-version V [OPTION]...
       ecs-init bake --check DIR

Fills an image's root tree, or with --root / the running instance: verified tar and signature,
configuration, this program, its service (enabled), and a manifest of all that. Needs no Docker.
All of it is put there or nothing; doing it twice is the same as once.

  --root DIR             the tree
  --agent-version V      v1.2.3, latest, or a commit's first 8 hex digits; not needed with --tar
  --arch ARCH            amd64 (x86_64) or arm64 (aarch64); this machine's if not given
  --region R             fetch the tar from Amazon's buckets, this region's first
  --mirror URL           fetch it from below this URL
  --tar FILE             take this one; its signature is FILE.asc or what --sig names
  --sig FILE             the signature of --tar
  --config KEY=VALUE     a line of etc/ecs/ecs.config, quoted as in that file; may be repeated
  --config-file FILE     the whole of it
  --force                replace an etc/ecs/ecs.config that differs
  --init NAME            systemd, openrc, runit, s6, sysvinit, upstart, busybox or none; looked for
                         in the tree if not given
  --binary FILE          this program for ARCH; if not given, this file itself or the
                         ecs-init-x86_64 or ecs-init-aarch64 beside it
  --keyring FILE         further trusted certificates, for the image, too

  --check DIR            write nothing; say what is in the tree that must not be in an image, and how
                         to mend it: 255 if anything is

Proxies, endpoints, ECS_INIT_KEYRING and ECS_INIT_ALLOW_UNSIGNED come from the environment; no
ecs.config is read.";

/// Reads what follows the verb.
pub(super) fn parse(mut parser: Parser) -> Result<Command> {
    let mut given = Given::default();
    while let Some(argument) = parser.next().map_err(wrong)? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help("bake")),
            Long("force") => given.force = true,
            Long(name) => {
                // The name is borrowed from the parser that is to be asked for the value.
                let Some(slot) = slot(name) else {
                    return Err(wrong(argument.unexpected()));
                };
                let value = parser.value().map_err(wrong)?;
                given.values[slot].push(value);
            }
            // It may be the rest of a secret that the shell has split.
            lexopt::Arg::Value(_) => {
                return Err(Error::usage(
                    "bake takes options and no operand: quote what has blanks in it, --config too",
                ));
            }
            Short(_) => return Err(wrong(argument.unexpected())),
        }
    }
    given.command()
}

/// The options that take a value.
const NAMES: [&str; 13] = [
    "root",
    "check",
    "arch",
    "agent-version",
    "region",
    "mirror",
    "tar",
    "sig",
    "config",
    "config-file",
    "init",
    "binary",
    "keyring",
];

/// What was given, by the places in [`NAMES`].
#[derive(Default)]
struct Given {
    values: [Vec<OsString>; NAMES.len()],
    force: bool,
}

fn slot(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

impl Given {
    /// All that was given of an option.
    fn all(&mut self, name: &str) -> Vec<OsString> {
        slot(name).map_or_else(Vec::new, |slot| std::mem::take(&mut self.values[slot]))
    }

    /// An option that may be given once.
    fn one(&mut self, name: &str) -> Result<Option<OsString>> {
        let mut all = self.all(name);
        let last = all.pop();
        if all.is_empty() {
            return Ok(last);
        }
        Err(Error::usage(format!("bake takes --{name} only once")))
    }

    fn path(&mut self, name: &str) -> Result<Option<PathBuf>> {
        Ok(self.one(name)?.map(PathBuf::from))
    }

    /// An option whose value is read; `read` says what would have been one.
    fn read<T, E: ToString>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        let text = text.string().map_err(wrong)?;
        let wrong = |why: E| {
            Error::usage(format!(
                "bake --{name} {}: {}",
                redact(&text),
                why.to_string()
            ))
        };
        read(&text).map(Some).map_err(wrong)
    }

    fn command(mut self) -> Result<Command> {
        if let Some(tree) = self.path("check")? {
            if self.force || self.values.iter().any(|all| !all.is_empty()) {
                return Err(Error::usage("bake --check DIR takes no other option"));
            }
            return Ok(Command::BakeCheck(tree));
        }
        let root = self.path("root")?;
        let root = root.ok_or_else(|| Error::usage("bake needs --root DIR"))?;
        let whence = self.whence()?;
        let version = self.read("agent-version", str::parse::<AgentVersion>)?;
        if version.is_none() && !matches!(whence, Whence::Tar { .. }) {
            return Err(Error::usage("bake needs --agent-version V, or --tar FILE"));
        }
        if let (Whence::Tar { tar, .. }, Some(wanted)) = (&whence, &version)
            && let Some(name) = tar.file_name().and_then(OsStr::to_str)
            && let Some(named) = wanted.conflicts_with_name(name)
        {
            return Err(Error::usage(format!(
                "bake --tar {name}: its name says {named}, and --agent-version {wanted}"
            )));
        }
        Ok(Command::Bake(Box::new(Order {
            root,
            architecture: self
                .read("arch", architecture)?
                .unwrap_or(Architecture::here()),
            version,
            whence,
            settings: self.settings()?,
            init: self.read("init", str::parse)?,
            binary: self.path("binary")?,
            keyring: self.path("keyring")?,
            force: self.force,
        })))
    }

    fn whence(&mut self) -> Result<Whence> {
        let region = self.read("region", value::region)?;
        let mirror = self.read("mirror", value::url)?;
        let (tar, signature) = (self.path("tar")?, self.path("sig")?);
        match (region, mirror, tar, signature) {
            (None, None, None, None) => Ok(Whence::Environment),
            (Some(region), None, None, None) => Ok(Whence::Region(region)),
            (None, Some(url), None, None) => Ok(Whence::Mirror(url)),
            (None, None, Some(tar), signature) => Ok(Whence::Tar { tar, signature }),
            (_, _, None, Some(_)) => Err(Error::usage("bake takes --sig only with --tar")),
            _ => Err(Error::usage(
                "bake takes only one of --region, --mirror and --tar",
            )),
        }
    }

    fn settings(&mut self) -> Result<Settings> {
        let lines = self.all("config");
        match (lines.is_empty(), self.path("config-file")?) {
            (true, None) => Ok(Settings::Keep),
            (true, Some(file)) => Ok(Settings::File(file)),
            (false, Some(_)) => Err(Error::usage(
                "bake takes either --config or --config-file, not both",
            )),
            (false, None) => {
                let lines = lines.into_iter().enumerate();
                let lines = lines.map(|(index, text)| line(index + 1, text));
                Ok(Settings::Lines(lines.collect::<Result<_>>()?))
            }
        }
    }
}

/// One line of `ecs.config`. It may be a secret, so only what stands before `=` is ever shown.
fn line(number: usize, text: OsString) -> Result<String> {
    let wrong = |why: &str| {
        Error::usage(format!(
            "bake --config KEY=VALUE, number {number}: it is not used: {why}"
        ))
    };
    let text = text.into_string().map_err(|_| wrong("it is no UTF-8"))?;
    // With a line after it, which it must not take in by a backslash at its end.
    match file::parse(&format!("{text}\nX=1\n")).collect::<Result<Vec<_>, _>>() {
        Ok(set) if set.len() == 2 => Ok(text),
        Ok(_) => Err(wrong("it is not one assignment")),
        Err(bad) => Err(wrong(bad.why)),
    }
}

/// An architecture by either of its names.
fn architecture(text: &str) -> Result<Architecture, &'static str> {
    match text {
        "amd64" | "x86_64" => Ok(Architecture::Amd64),
        "arm64" | "aarch64" => Ok(Architecture::Arm64),
        _ => Err("is neither amd64 (x86_64) nor arm64 (aarch64)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bake::Init;
    use crate::error::Exit;

    fn parsed(line: &str) -> Result<Command> {
        let words = ["bake"].into_iter().chain(line.split_whitespace());
        super::super::parse(words.map(OsString::from))
    }

    fn order(line: &str) -> Order {
        match parsed(line) {
            Ok(Command::Bake(order)) => *order,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn everything_that_can_be_ordered() {
        let all = order(
            "--root /t --arch aarch64 --agent-version 1.99.0 --mirror http://m/x/ --config A=1 \
             --config=B='2' --init runit --binary b --keyring k --force",
        );
        assert_eq!(
            all,
            Order {
                root: "/t".into(),
                architecture: Architecture::Arm64,
                version: Some(AgentVersion::Release("v1.99.0".into())),
                whence: Whence::Mirror("http://m/x".into()),
                settings: Settings::Lines(vec!["A=1".into(), "B='2'".into()]),
                init: Some(Init::Runit),
                binary: Some("b".into()),
                keyring: Some("k".into()),
                force: true,
            }
        );
        let tar = order("--root t --tar a.tar --sig s --config-file f");
        let signature = Some("s".into());
        let whence = Whence::Tar {
            tar: "a.tar".into(),
            signature,
        };
        assert_eq!(
            (tar.whence, tar.version, tar.architecture),
            (whence, None, Architecture::here())
        );
        assert_eq!(tar.settings, Settings::File("f".into()));
        let least = order("--root / --agent-version latest --region eu-west-1 --arch amd64");
        assert_eq!(least.whence, Whence::Region("eu-west-1".into()));
        assert_eq!(least.settings, Settings::Keep);
        assert_eq!(
            parsed("--check /t").unwrap(),
            Command::BakeCheck("/t".into())
        );
    }

    #[test]
    fn a_wrong_order_ends_with_1_and_names_the_option() {
        for (line, word) in [
            ("", "--root"),
            ("--root t", "--agent-version"),
            ("--root t --agent-version one", "--agent-version one"),
            ("--root t --agent-version 1.2.3 --arch mips", "--arch mips"),
            ("--root t --agent-version 1.2.3 --sig s", "--tar"),
            ("--root t --tar t --mirror http://m", "--mirror"),
            ("--root t --tar t --region r", "--region"),
            ("--root t --tar t --config A=1 --config-file f", "not both"),
            ("--root t --tar t --config A=1 --config SECRET", "number 2"),
            ("--root t --tar t --config #", "number 1"),
            (
                "--root t --tar t --config A=SECRET\\ --config B=2",
                "number 1",
            ),
            ("--root t --tar t --config A=1 SECRET", "quote"),
            ("--root t --root u --tar t", "--root"),
            ("--root t --tar t --init upstartd", "--init upstartd"),
            ("--root t --tar t extra", "no operand"),
            (
                "--root t --tar d/ecs-agent-arm64-v1.99.0.tar --agent-version 1.98.0",
                "its name says v1.99.0, and --agent-version v1.98.0",
            ),
            ("--root", "--root"),
            ("--check t --force", "--check"),
            ("--check t --root t", "--check"),
        ] {
            let error = parsed(line).unwrap_err();
            assert_eq!(error.exit(), Exit::Usage, "{line}");
            assert!(error.to_string().contains(word), "{line}: {error}");
            assert!(!error.to_string().contains("SECRET"), "{line}: {error}");
        }
    }
}
