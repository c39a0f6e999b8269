//! The layers of configuration, before anything is made of them: the environment over
//! `/etc/ecs/ecs.config` over `/var/lib/ecs/ecs.config.s3`, if it was asked for, over
//! `/var/lib/ecs/ecs.config`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::file;
use super::s3::{self, S3Url};
use crate::types::Root;

/// The image's configuration and the user's, the weaker first.
pub const FILES: [&str; 2] = ["/var/lib/ecs/ecs.config", "/etc/ecs/ecs.config"];

/// Where a value came from; printed in every complaint about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The process's environment.
    Environment,
    /// An option of the verb.
    CommandLine,
    /// A line of a configuration file.
    File(PathBuf, usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Environment => f.write_str("environment"),
            Origin::CommandLine => f.write_str("command line"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// A value as it was written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// The text, without outer quotes.
    pub text: String,
    /// Where it stands.
    pub origin: Origin,
}

/// All that was said, layer over layer, and what could not be read of it.
#[derive(Debug, Default)]
pub struct Settings {
    environment: BTreeMap<String, String>,
    files: BTreeMap<String, Raw>,
    warnings: Vec<String>,
}

impl Settings {
    /// The environment alone.
    pub fn of_environment(environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Settings {
            environment: environment.into_iter().collect(),
            ..Settings::default()
        }
    }

    /// Reads both files below `root`; `environment` is the process's. A file that is not there is
    /// an empty one; a file or line that cannot be read is a warning.
    pub fn read(root: &Root, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        Settings::layers(root, environment.into_iter().collect(), None)
    }

    /// The same files, and between them what was fetched from this URL. `None` if nothing was:
    /// what was fetched from another one is no part of this host's configuration any more.
    pub fn over_s3(&mut self, root: &Root, url: &str) -> Option<Self> {
        let mark = S3Url::parse(url).ok()?.mark();
        let path = root.at(s3::FILE);
        match std::fs::read(&path) {
            Ok(bytes) if bytes.starts_with(mark.as_bytes()) => {
                let text = String::from_utf8_lossy(&bytes);
                let environment = self.environment.clone();
                Some(Settings::layers(root, environment, Some(&text)))
            }
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                self.warn(format!("{}: {e}; none of it is used", path.display()));
                None
            }
            _ => None,
        }
    }

    fn layers(root: &Root, environment: BTreeMap<String, String>, s3: Option<&str>) -> Self {
        let mut settings = Settings::of_environment(environment);
        for file in FILES {
            let path = root.at(file);
            if let Some(text) = s3.filter(|_| file != FILES[0]) {
                settings.add_file(root.at(s3::FILE), text);
            }
            match std::fs::read(&path) {
                Ok(bytes) => settings.add_file(path, &String::from_utf8_lossy(&bytes)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => settings
                    .warnings
                    .push(format!("{}: {e}; none of it is used", path.display())),
            }
        }
        settings
    }

    /// Lays a file's lines over what there is; `path` is for complaints.
    pub fn add_file(&mut self, path: PathBuf, text: &str) {
        for line in file::parse(text) {
            match line {
                Ok(a) => {
                    let origin = Origin::File(path.clone(), a.line);
                    let raw = Raw {
                        text: a.value,
                        origin,
                    };
                    self.files.insert(a.name.to_owned(), raw);
                }
                Err(bad) => self.warnings.push(format!(
                    "{}:{}: line ignored: {}",
                    path.display(),
                    bad.line,
                    bad.why
                )),
            }
        }
    }

    /// The value in force. An empty value counts as none, as the reference takes it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Raw> {
        let environment = self.environment.get(name).map(|text| Raw {
            text: text.clone(),
            origin: Origin::Environment,
        });
        environment
            .into_iter()
            .chain(self.files.get(name).cloned())
            .find(|raw| !raw.text.is_empty())
    }

    /// A variable of the process's environment, whatever the files say. An empty one is none.
    #[must_use]
    pub fn environment_alone(&self, name: &str) -> Option<&str> {
        self.environment
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// The variables that the files set, for the agent's own environment.
    pub fn of_files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .map(|(k, v)| (k.as_str(), v.text.as_str()))
    }

    /// Every name that was set anywhere, with where (the stronger place).
    pub fn names(&self) -> impl Iterator<Item = (&str, Origin)> {
        let files = self
            .files
            .iter()
            .filter(|(name, _)| !self.environment.contains_key(*name))
            .map(|(name, raw)| (name.as_str(), raw.origin.clone()));
        self.environment
            .keys()
            .map(|name| (name.as_str(), Origin::Environment))
            .chain(files)
    }

    /// Remembers a complaint; they are logged once the logger is up.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// The complaints so far.
    #[must_use]
    pub fn into_warnings(self) -> Vec<String> {
        self.warnings
    }
}
