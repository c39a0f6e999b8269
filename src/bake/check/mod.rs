//! What must not be in an image: whatever belongs to one instance, whatever the next start would
//! refuse, and whatever nobody who gets the image may see. Nothing is written, and no symbolic
//! link of the tree leads out of it.

mod cache;
mod modes;
mod secrets;
mod service;
mod state;
mod tree;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::bake::image;
use crate::config::Config;
use crate::config::FILES;
use crate::error::Result;
use crate::types::Root;
use tree::Tree;

/// The user's configuration, and all else that is set by hand.
const ETC: &str = "/etc/ecs";
/// The image's configuration, among other things.
const VAR: &str = "/var/lib/ecs";

/// What is added to systemd's unit, by hand or by a tool.
const DROP_INS: &str = "/etc/systemd/system/ecs.service.d";

/// One thing that is wrong with a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it lies on this machine.
    pub path: PathBuf,
    /// What is wrong. Never a secret's value.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

/// One line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path.display(), self.what, self.mend)
    }
}

/// What must not be in the image whose tree is at `root`, in the order in which it was looked for.
/// What cannot be read is a finding, too. Signatures are judged as of `now`.
///
/// # Errors
/// There is no such directory.
pub fn run(root: &Root, now: SystemTime) -> Result<Vec<Finding>> {
    let mut report = Report {
        tree: Tree::open(root.dir())?,
        root,
        findings: Vec::new(),
    };
    state::check(&mut report);
    service::check(&mut report);
    let files = report.configuration();
    let config = report.settings();
    secrets::check(&mut report, &files, &config.source.docker_config);
    let keyring = cache::check(&mut report, config, now);
    modes::check(&mut report, files.into_iter().chain(keyring));
    Ok(report.findings)
}

/// The tree, and what was found in it so far.
struct Report<'r> {
    /// As it was named.
    root: &'r Root,
    tree: Tree,
    findings: Vec<Finding>,
}

impl Report<'_> {
    /// `path` is the image's.
    fn add(&mut self, path: impl AsRef<Path>, what: impl Into<String>, mend: impl Into<String>) {
        self.findings.push(Finding {
            path: self.root.at(path),
            what: what.into(),
            mend: mend.into(),
        });
    }

    /// What is at `path`, if it is there. What cannot be read must not pass for what is not there.
    fn known<T>(&mut self, path: impl AsRef<Path>, answer: io::Result<T>) -> Option<T> {
        match answer {
            Ok(known) => Some(known),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                self.add(
                    path,
                    format!("cannot be read: {error}"),
                    "make it readable, or run the check as root",
                );
                None
            }
        }
    }

    /// The files of the configuration: all below `/etc/ecs`, the image's own, and what is added to
    /// systemd's unit.
    fn configuration(&mut self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        let directories = [(ETC, ""), (DROP_INS, ""), (VAR, "ecs.config")];
        let mut directories = directories.map(|(d, b)| (PathBuf::from(d), b)).to_vec();
        while let Some((directory, beginning)) = directories.pop() {
            for name in self.names(&directory) {
                if !name.to_string_lossy().starts_with(beginning) {
                    continue;
                }
                let path = directory.join(&name);
                let metadata = self.tree.metadata(&path);
                let Some(metadata) = self.known(&path, metadata) else {
                    continue;
                };
                if !metadata.is_dir() {
                    if !self.tree.0.is_null(&path) {
                        files.insert(path);
                    }
                } else if !self.tree.itself(&path).is_ok_and(|it| it.is_symlink()) {
                    // By a link it could go round in a circle.
                    directories.push((path, ""));
                }
            }
        }
        files
    }

    /// What those of them say that a start reads, and what that start would warn of or refuse.
    fn settings(&mut self) -> Config {
        // That one cannot be read is said where it is looked through.
        let settings = image::settings(|path| self.tree.read(path).ok());
        let (config, warnings) = Config::from_image(settings, self.tree.root());
        let mut warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        let refused = [image::refusal(&config), image::incomplete(&config)];
        warnings.extend(refused.into_iter().flatten().map(|error| error.to_string()));
        for warning in warnings {
            // Most begin with the file and the line.
            let in_file = |path| Some((path, warning.strip_prefix(path)?.strip_prefix(':')?));
            let (path, what) = match FILES.into_iter().find_map(in_file) {
                Some((path, rest)) => (path, format!("line {rest}")),
                None => (FILES[1], warning),
            };
            self.add(path, what, "correct it, or take it out");
        }
        config
    }

    /// The names in a directory; none if it is not there.
    fn names(&mut self, directory: impl AsRef<Path>) -> Vec<OsString> {
        let names = self.tree.names(&directory);
        self.known(directory, names).unwrap_or_default()
    }
}

/// Some names of many, for a line.
fn some(names: &[OsString]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = names
        .iter()
        .take(SHOWN)
        .map(|n| n.to_string_lossy())
        .collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
