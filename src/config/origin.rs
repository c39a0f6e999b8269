//! Where a value was set.

use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;

/// Where a value was set; messages about a value name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Not set: the default.
    Default,
    /// The process's environment.
    Environment,
    /// An option on the command line.
    CommandLine,
    /// A line of a configuration file, from 1.
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

/// A value and where it was set. Dereferences to the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    pub(super) value: T,
    /// Where it was set.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// A value and its origin.
    pub fn new(value: T, origin: Origin) -> Self {
        Setting { value, origin }
    }
}

impl<T> Deref for Setting<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
