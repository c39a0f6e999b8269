//! AppArmor: is it used here, which profiles are loaded, and the agent's own is loaded if it is
//! not.
//!
//! Profiles are compiled in user space, and only apparmor_parser(8) does it: this is the one
//! program that ecs-init runs, on hosts that have it, when the profile is not loaded yet.

mod profile;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Context, Error, Kind, Result};
use crate::types::Root;

pub use profile::NAME as DEFAULT_PROFILE;

/// Where dockerd looks for the parser, and where a root without the merged `/usr` may have it.
const PARSERS: [&str; 2] = ["/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"];

/// Where profiles lie; what is there is loaded at boot by AppArmor's own service.
const PROFILES: &str = "/etc/apparmor.d";

/// AppArmor where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppArmor {
    loaded: BTreeSet<String>,
    parser: Option<PathBuf>,
}

/// What is to be done about a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is loaded, or is `unconfined`, which always is.
    Ready,
    /// It is to be loaded.
    Load,
    /// Nobody here can load it.
    NoParser,
}

impl AppArmor {
    /// Looks whether the kernel has AppArmor enabled (admin-guide/LSM/apparmor.rst) and anybody
    /// uses it. With neither a parser nor a loaded profile nobody does: dockerd then confines no
    /// container, whatever it is told, and neither do we.
    pub fn read(root: &Root) -> Option<AppArmor> {
        let enabled =
            fs::read_to_string(root.at("/sys/module/apparmor/parameters/enabled")).ok()?;
        if enabled.trim() != "Y" {
            return None;
        }
        let apparmor = AppArmor {
            loaded: loaded(root),
            parser: PARSERS
                .map(|path| root.at(path))
                .into_iter()
                .find(|p| p.is_file()),
        };
        (apparmor.parser.is_some() || !apparmor.loaded.is_empty()).then_some(apparmor)
    }

    /// Whether a container may name this profile.
    #[must_use]
    pub fn has(&self, profile: &str) -> bool {
        profile == "unconfined" || self.loaded.contains(profile)
    }

    /// Pure: what it takes until [`AppArmor::has`] holds.
    #[must_use]
    pub fn step(&self, profile: &str) -> Step {
        match &self.parser {
            _ if self.has(profile) => Step::Ready,
            Some(_) => Step::Load,
            None => Step::NoParser,
        }
    }
}

/// Why a profile is not in force, and the two ways out.
#[must_use]
pub fn refusal(profile: &str, why: &str) -> String {
    format!(
        "the AppArmor profile {profile} is not loaded{why}; load it, name one that is \
         (ECS_AGENT_APPARMOR_PROFILE), or allow Docker's own \
         (ECS_INIT_APPARMOR_FALLBACK=docker-default)"
    )
}

/// The loaded profiles, one a line, its mode behind it: `docker-default (enforce)`.
fn loaded(root: &Root) -> BTreeSet<String> {
    let text =
        fs::read_to_string(root.at("/sys/kernel/security/apparmor/profiles")).unwrap_or_default();
    let name = |line: &str| line.rsplit_once(" (").map(|(name, _)| name.to_owned());
    text.lines().filter_map(name).collect()
}

/// Loads the profile if AppArmor is used here and has not got it. A file of its name in
/// `/etc/apparmor.d` is the administrator's word and loaded as it is; for `ecs-agent-default` we
/// have a text, which is put there, so that AppArmor's service loads it at the next boot. On a
/// root that cannot be written the parser gets it without a file.
///
/// # Errors
/// It cannot be loaded; unless `fallback`, then that is a warning.
pub fn ensure(root: &Root, profile: &str, fallback: bool) -> Result<()> {
    let Some(apparmor) = AppArmor::read(root) else {
        return Ok(());
    };
    let end = match (apparmor.step(profile), &apparmor.parser) {
        (Step::Ready, _) => return Ok(()),
        (Step::Load, Some(parser)) => load(root, parser, profile),
        _ => Err(Error::new(
            Kind::InvalidInput,
            "there is no apparmor_parser on this host",
        )),
    };
    match end {
        Ok(()) => log::info!("the AppArmor profile {profile} is loaded"),
        Err(error) if fallback => {
            log::warn!(
                "the AppArmor profile {profile} is not loaded: {error}; Docker's own is used"
            );
        }
        Err(error) => {
            return Err(Error::new(
                Kind::InvalidInput,
                refusal(profile, &format!(" ({error})")),
            ));
        }
    }
    Ok(())
}

fn load(root: &Root, parser: &Path, profile: &str) -> Result<()> {
    if profile.contains('/') || profile.starts_with('.') {
        return Err(Error::new(Kind::InvalidInput, "its name is no file's name"));
    }
    let file = root.at(PROFILES).join(profile);
    let source = if file.is_file() {
        Source::File(file)
    } else if profile == DEFAULT_PROFILE {
        let has = |include: &str| root.at(PROFILES).join(include).is_file();
        let text = profile::text(has("tunables/global"), has("abstractions/base"));
        keep(&file, text)
    } else {
        return Err(Error::new(
            Kind::InvalidInput,
            format!("there is no {}", file.display()),
        ));
    };
    parse(parser, &source)?;
    if loaded(root).contains(profile) {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "{} loaded {source} without complaint, but the kernel does not list it",
            parser.display()
        ),
    ))
}

/// Where the parser has the profile from.
enum Source {
    File(PathBuf),
    Text(String),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(f),
            Source::Text(_) => f.write_str("our profile"),
        }
    }
}

/// Puts our text where AppArmor looks for it, if that can be.
fn keep(file: &Path, text: String) -> Source {
    let new = file.with_extension("ecs-init-new");
    let written = fs::write(&new, &text).and_then(|()| fs::rename(&new, file));
    match written {
        Ok(()) => Source::File(file.to_owned()),
        Err(error) => {
            log::info!(
                "{} cannot be written ({error}): the profile is loaded without it",
                file.display()
            );
            Source::Text(text)
        }
    }
}

/// Runs the parser: `--replace` as a profile may have come in between, `--skip-cache` as what is
/// compiled is to be the file's text and the cache may be read-only.
fn parse(parser: &Path, source: &Source) -> Result<()> {
    let running = || format!("run {} for {source}", parser.display());
    let mut command = Command::new(parser);
    command
        // systemd is told of the service by nobody else.
        .env_remove("NOTIFY_SOCKET")
        .args(["--replace", "--skip-cache"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let text = match source {
        Source::File(path) => {
            command.arg(path);
            ""
        }
        Source::Text(text) => text,
    };
    let mut child = command.spawn().context(running)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A parser that ends early says why itself.
        let _ = stdin.write_all(text.as_bytes());
    }
    let done = child.wait_with_output().context(running)?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "{}: {}: {}",
            parser.display(),
            done.status,
            said.split_whitespace().collect::<Vec<_>>().join(" ")
        ),
    ))
}

#[cfg(test)]
mod tests;
