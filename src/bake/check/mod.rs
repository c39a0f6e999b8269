//! `bake --check`: lists what must not be in an image, because it belongs to one instance, is a
//! secret, or would be rejected at the first start. Writes nothing. Follows the tree's links as a
//! host booted from it.

mod cache;
mod leftovers;
mod modes;
mod rule;
mod secrets;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::init::{OVERRIDING_UNIT, SYSTEMD_DROP_INS};
use super::manifest::{self, Manifest};
use super::tree::Tree;
use super::{ETC, Init, STATE, conflicts, image_config};
use crate::config::Config;
use crate::config::FILES;
use crate::error::Result;
use crate::fs::if_exists;
use crate::types::Root;
pub use rule::Rule;

/// A violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it is on this machine.
    pub path: PathBuf,
    /// The rule.
    pub rule: Rule,
    /// What was found, if the rule does not say it. Never a secret's value.
    pub detail: String,
}

/// `PATH: WHAT; FIX [RULE]`, on one line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, fix) = self.rule.texts();
        let [what, fix] = [what, fix].map(|text| text.replace("{}", &self.detail));
        let (path, name) = (self.path.display(), self.rule.name());
        write!(f, "{path}: {what}; {fix} [{name}]")
    }
}

/// Checks the tree at `root`. Signatures are verified as of `now`.
///
/// # Errors
/// `root` is not a directory. Anything else that cannot be read is a finding.
pub fn run(root: &Root, now: SystemTime) -> Result<Vec<Finding>> {
    let mut report = Report {
        tree: Tree::open(root.dir())?,
        root,
        findings: Vec::new(),
    };
    leftovers::check(&mut report);
    report.check_service();
    let files = report.config_files();
    let config = report.check_config();
    secrets::check(&mut report, &files, &config.source.docker_config);
    let keyring = cache::check(&mut report, config, now);
    modes::check(&mut report, files.into_iter().chain(keyring));
    Ok(report.findings)
}

/// A tree and its findings.
struct Report<'r> {
    /// As named by the user.
    root: &'r Root,
    tree: Tree,
    findings: Vec<Finding>,
}

impl Report<'_> {
    /// Adds a finding at a path of the image.
    fn add(&mut self, path: impl AsRef<Path>, rule: Rule, detail: impl Into<String>) {
        let (path, detail) = (self.root.at(path), detail.into());
        self.findings.push(Finding { path, rule, detail });
    }

    /// The result of reading `path`; `None` if it does not exist. Any other error is a finding:
    /// what cannot be read must not count as missing.
    fn existing<T>(&mut self, path: impl AsRef<Path>, result: io::Result<T>) -> Option<T> {
        if_exists(result).unwrap_or_else(|error| {
            self.add(path, Rule::Unreadable, error.to_string());
            None
        })
    }

    /// The content of a file, if it exists.
    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        let bytes = self.tree.read(path);
        self.existing(path, bytes)
    }

    /// The names in a directory; none if it does not exist.
    fn names(&mut self, directory: impl AsRef<Path>) -> Vec<OsString> {
        let names = self.tree.names(directory.as_ref());
        self.existing(directory, names).unwrap_or_default()
    }

    /// Whether the service that was baked would be started.
    fn check_service(&mut self) {
        let Ok(manifest) = self.tree.entry(manifest::PATH.as_ref()) else {
            return;
        };
        let is_systemd = Manifest::read(&manifest).init() == Some(Init::Systemd);
        if is_systemd && conflicts::is_masked(&self.tree) {
            self.add(OVERRIDING_UNIT, Rule::MaskedUnit, "");
        }
    }

    /// The configuration files: everything below `/etc/ecs`, the image's own, and the drop-ins of
    /// systemd's unit.
    fn config_files(&mut self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        let directories = [(ETC, ""), (SYSTEMD_DROP_INS, ""), (STATE, "ecs.config")];
        let mut directories = directories.map(|(d, p)| (PathBuf::from(d), p)).to_vec();
        while let Some((directory, prefix)) = directories.pop() {
            for name in self.names(&directory) {
                if !name.to_string_lossy().starts_with(prefix) {
                    continue;
                }
                let path = directory.join(&name);
                let metadata = self.tree.metadata(&path);
                let Some(metadata) = self.existing(&path, metadata) else {
                    continue;
                };
                if !metadata.is_dir() {
                    if !self.tree.is_null(&path) {
                        files.insert(path);
                    }
                } else if !self.tree.entry(&path).is_ok_and(|entry| entry.is_symlink()) {
                    // Links to directories are not followed: they could form a loop.
                    directories.push((path, ""));
                }
            }
        }
        files
    }

    /// The settings that a start would read from the configuration files. Adds a finding for each
    /// setting that the start would ignore or reject.
    fn check_config(&mut self) -> Config {
        // `secrets::check` reports what cannot be read.
        let settings = image_config::settings(|path| self.tree.read(path.as_ref()).ok());
        let (config, warnings) = Config::from_image(settings, self.tree.root());
        let mut warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        let errors = [
            image_config::rejected(&config),
            image_config::incomplete(&config),
        ];
        warnings.extend(errors.into_iter().flatten().map(|error| error.to_string()));
        for warning in warnings {
            // Most warnings start with `PATH:LINE: `.
            let in_file = |path| Some((path, warning.strip_prefix(path)?.strip_prefix(':')?));
            let (path, why) = match FILES.into_iter().find_map(in_file) {
                Some((path, rest)) => (path, format!("line {rest}")),
                None => (FILES[1], warning),
            };
            self.add(path, Rule::Config, why);
        }
        config
    }
}

/// The first names and the number of the others, for a message.
fn shortened(names: &[OsString]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).map(|name| name.to_string_lossy());
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
