//! AppArmor: whether it is used, and loading the profile of the agent's container.
//!
//! apparmor_parser(8) compiles profiles. It is the only program that ecs-init runs, and only if the
//! profile is not loaded yet.

mod profile;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Context, Error, Kind, Result};
use crate::fs::atomic_write;
use crate::types::Root;

use profile::NAME as DEFAULT_PROFILE;

/// Where dockerd looks for the parser, and where it is without a merged `/usr`.
const PARSERS: [&str; 2] = ["/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"];

/// The directory of profiles, which AppArmor's service loads at boot.
const PROFILES: &str = "/etc/apparmor.d";

/// AppArmor, on a host that uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppArmor {
    loaded: BTreeSet<String>,
    parser: Option<PathBuf>,
}

impl AppArmor {
    /// Reads the kernel's state (admin-guide/LSM/apparmor.rst). `None` if AppArmor is disabled, or
    /// if the host has neither a parser nor a loaded profile: dockerd then uses no profile for any
    /// container, and must not be requested to.
    pub(crate) fn read(root: &Root) -> Option<AppArmor> {
        let enabled =
            fs::read_to_string(root.at("/sys/module/apparmor/parameters/enabled")).ok()?;
        if enabled.trim() != "Y" {
            return None;
        }
        let apparmor = AppArmor {
            loaded: loaded_profiles(root),
            parser: PARSERS
                .map(|path| root.at(path))
                .into_iter()
                .find(|p| p.is_file()),
        };
        (apparmor.parser.is_some() || !apparmor.loaded.is_empty()).then_some(apparmor)
    }

    /// Whether a container can use this profile.
    pub(crate) fn has(&self, profile: &str) -> bool {
        profile == "unconfined" || self.loaded.contains(profile)
    }
}

/// The error message for a profile that is not loaded.
pub(crate) fn not_loaded(profile: &str) -> String {
    format!(
        "the AppArmor profile {profile} is not loaded; load it, use another one \
         (ECS_AGENT_APPARMOR_PROFILE), or allow Docker's \
         (ECS_INIT_APPARMOR_FALLBACK=docker-default)"
    )
}

/// The loaded profiles, one per line with its mode: `docker-default (enforce)`.
fn loaded_profiles(root: &Root) -> BTreeSet<String> {
    let text =
        fs::read_to_string(root.at("/sys/kernel/security/apparmor/profiles")).unwrap_or_default();
    let name = |line: &str| line.rsplit_once(" (").map(|(name, _)| name.to_owned());
    text.lines().filter_map(name).collect()
}

/// Loads the profile if AppArmor is used and the profile is not loaded: from the file with its name
/// in `/etc/apparmor.d`. For `ecs-agent-default` ecs-init writes a missing file, which AppArmor's
/// service loads at the next boot; on a read-only root it passes the text to the parser.
///
/// # Errors
/// The profile cannot be loaded. With `fallback`, this is a warning and not an error.
pub(crate) fn ensure(root: &Root, profile: &str, fallback: bool) -> Result<()> {
    let Some(apparmor) = AppArmor::read(root) else {
        return Ok(());
    };
    if apparmor.has(profile) {
        return Ok(());
    }
    let result = match &apparmor.parser {
        Some(parser) => load(root, parser, profile),
        None => Err(Error::unavailable(format!("{} not found", PARSERS[0]))),
    };
    match result {
        Ok(()) => {
            log::info!("loaded the AppArmor profile {profile}");
            Ok(())
        }
        Err(error) if fallback => {
            log::warn!(
                "using Docker's AppArmor profile, because {profile} cannot be loaded: {error}"
            );
            Ok(())
        }
        Err(error) => Err(Error::with_source(error.kind(), not_loaded(profile), error)),
    }
}

fn load(root: &Root, parser: &Path, profile: &str) -> Result<()> {
    if profile.contains('/') || profile.starts_with('.') {
        let context = format!("not the name of an AppArmor profile file: {profile:?}");
        return Err(Error::invalid(context));
    }
    let file = root.at(PROFILES).join(profile);
    let source = if file.is_file() {
        Source::File(file)
    } else if profile == DEFAULT_PROFILE {
        let has = |include: &str| root.at(PROFILES).join(include).is_file();
        let text = profile::text(has("tunables/global"), has("abstractions/base"));
        match atomic_write(&file, 0o644, text.as_bytes()) {
            Ok(()) => Source::File(file),
            Err(error) => {
                log::info!(
                    "cannot write {}: {error}; loading the profile without it",
                    file.display()
                );
                Source::Text(text)
            }
        }
    } else {
        let context = format!("{} not found", file.display());
        return Err(Error::unavailable(context));
    };
    run_parser(parser, &source)?;
    if loaded_profiles(root).contains(profile) {
        return Ok(());
    }
    let parser = parser.display();
    let context =
        format!("{parser} succeeded for {source}, but the kernel does not list {profile}");
    Err(Error::new(Kind::Rejected, context))
}

/// The input of the parser.
enum Source {
    File(PathBuf),
    Text(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) => path.display().fmt(f),
            Source::Text(_) => f.write_str("the built-in profile"),
        }
    }
}

/// Runs the parser. `--replace`: the profile may have been loaded in the meantime. `--skip-cache`:
/// the cache may be read-only or stale.
fn run_parser(parser: &Path, source: &Source) -> Result<()> {
    let context = || format!("run {} for {source}", parser.display());
    let mut command = Command::new(parser);
    command
        // Only ecs-init reports its state to systemd.
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
    let mut child = command.spawn().context(context)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A parser that exits early reports the reason itself.
        let _ = stdin.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().context(context)?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let message: Vec<_> = stderr.split_whitespace().collect();
    let context = format!(
        "{}: {}: {}",
        parser.display(),
        output.status,
        message.join(" ")
    );
    Err(Error::new(Kind::Rejected, context))
}

#[cfg(test)]
mod tests;
