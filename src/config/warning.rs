//! Warnings about invalid parts of the configuration, which are ignored.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::file::SyntaxError;
use super::origin::Origin;
use crate::error::Error;

/// A part of the configuration that is not used. Never contains a value: it may be a secret.
#[derive(Debug)]
pub enum Warning {
    /// A file that cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line that is not an assignment.
    Line {
        /// The file.
        path: PathBuf,
        /// The line and what is wrong with it.
        error: SyntaxError,
    },
    /// A value that its variable does not accept.
    Value {
        /// Where it is set.
        origin: Origin,
        /// The variable.
        variable: &'static str,
        /// Why the value is invalid.
        error: Error,
    },
    /// An unknown name with the prefix `ECS_INIT_`.
    Misspelt {
        /// Where it is set.
        origin: Origin,
        /// The name.
        variable: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::File { path, error } => {
                write!(f, "{}: {error}; the file is not used", path.display())
            }
            Warning::Line { path, error } => {
                let (line, problem) = (error.line, error.problem);
                write!(f, "{}:{line}: line ignored: {problem}", path.display())
            }
            Warning::Value {
                origin,
                variable,
                error,
            } => write!(f, "{origin}: {variable} ignored: {error}"),
            Warning::Misspelt { origin, variable } => {
                write!(
                    f,
                    "{origin}: {variable} ignored: not a variable of ecs-init"
                )
            }
        }
    }
}

/// Logs warnings, each text once per process: the configuration may be read several times.
pub fn log_once(warnings: Vec<Warning>) {
    for warning in not_logged_before(&warnings) {
        log::warn!("{warning}");
    }
}

/// The warnings that this function has not returned before.
fn not_logged_before(warnings: &[Warning]) -> Vec<String> {
    static LOGGED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    let texts = warnings.iter().map(ToString::to_string);
    texts.filter(|text| logged.insert(text.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_warning_is_logged_once() {
        let warning = |variable: &str| Warning::Misspelt {
            origin: Origin::Environment,
            variable: variable.to_owned(),
        };
        let logged = |names: &[&str]| {
            let warnings: Vec<_> = names.iter().map(|name| warning(name)).collect();
            not_logged_before(&warnings).len()
        };
        assert_eq!(logged(&["ECS_INIT_LOGGED_ONCE_A"]), 1);
        assert_eq!(
            logged(&["ECS_INIT_LOGGED_ONCE_A", "ECS_INIT_LOGGED_ONCE_B"]),
            1
        );
    }
}
