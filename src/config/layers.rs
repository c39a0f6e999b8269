//! The layers of configuration as text, before any value is parsed: the environment over
//! `/etc/ecs/ecs.config` over `/var/lib/ecs/ecs.config.s3` (if `ECS_INIT_CONFIG_S3` is set) over
//! `/var/lib/ecs/ecs.config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file;
use super::origin::{Origin, Setting};
use super::s3::{self, S3Url};
use super::warning::Warning;
use crate::fs::if_exists;
use crate::types::Root;

/// The image's configuration and the user's. The later one has precedence.
pub const FILES: [&str; 2] = ["/var/lib/ecs/ecs.config", "/etc/ecs/ecs.config"];

/// All variables that are set, and warnings about files and lines that cannot be read.
#[derive(Debug, Default)]
pub struct Layers {
    environment: BTreeMap<String, String>,
    files: BTreeMap<String, Setting<String>>,
    warnings: Vec<Warning>,
}

impl Layers {
    /// The environment alone.
    pub(super) fn from_environment(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        Layers {
            environment: environment.into_iter().collect(),
            ..Layers::default()
        }
    }

    /// Adds both [`FILES`] below `root`. A missing file is an empty one.
    pub(super) fn add_files(&mut self, root: &Root) {
        for file in FILES {
            self.read_file(root.at(file));
        }
    }

    /// The same layers with the object that was fetched from `url`; `None` if the last fetch was
    /// from another URL, or there was none.
    pub(super) fn with_s3(&mut self, root: &Root, url: &S3Url) -> Option<Self> {
        let path = root.at(s3::FILE);
        let text = self.read(&path)?;
        if !text.starts_with(&url.first_line()) {
            return None;
        }
        let mut layers = Layers::from_environment(self.environment.clone());
        layers.read_file(root.at(FILES[0]));
        layers.add_file(path, &text);
        layers.read_file(root.at(FILES[1]));
        Some(layers)
    }

    fn read_file(&mut self, path: PathBuf) {
        if let Some(text) = self.read(&path) {
            self.add_file(path, &text);
        }
    }

    /// The text of a file; `None` if it does not exist, or with a warning if it cannot be read.
    fn read(&mut self, path: &Path) -> Option<String> {
        let bytes = if_exists(std::fs::read(path)).unwrap_or_else(|error| {
            let path = path.to_owned();
            self.warnings.push(Warning::File { path, error });
            None
        });
        Some(String::from_utf8_lossy(&bytes?).into_owned())
    }

    /// Adds a file's lines, which take precedence over the files before; `path` is for messages.
    pub fn add_file(&mut self, path: PathBuf, text: &str) {
        for line in file::parse(text) {
            match line {
                Ok(a) => {
                    let origin = Origin::File(path.clone(), a.line);
                    self.files
                        .insert(a.name.to_owned(), Setting::new(a.value, origin));
                }
                Err(error) => self.warnings.push(Warning::Line {
                    path: path.clone(),
                    error,
                }),
            }
        }
    }

    /// The value in force. An empty value is not set, as in amazon-ecs-init.
    pub fn get(&self, name: &str) -> Option<Setting<String>> {
        let from_file = || self.files.get(name).filter(|s| !s.is_empty()).cloned();
        self.in_environment(name).or_else(from_file)
    }

    /// The value in the environment, whatever the files say.
    pub(super) fn in_environment(&self, name: &str) -> Option<Setting<String>> {
        let text = self.environment.get(name).filter(|text| !text.is_empty())?;
        Some(Setting::new(text.clone(), Origin::Environment))
    }

    /// The variables that the files set.
    pub(super) fn in_files(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter();
        files.map(|(name, setting)| (name.as_str(), setting.as_str()))
    }

    /// Every name that is set, even to an empty value, and where. The environment has precedence.
    pub fn names(&self) -> impl Iterator<Item = (&str, Origin)> {
        let files = self
            .files
            .iter()
            .filter(|(name, _)| !self.environment.contains_key(*name))
            .map(|(name, setting)| (name.as_str(), setting.origin.clone()));
        self.environment
            .keys()
            .map(|name| (name.as_str(), Origin::Environment))
            .chain(files)
    }

    /// Adds a warning.
    pub(super) fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    /// The warnings of all layers, and those that were added.
    pub(super) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }
}
