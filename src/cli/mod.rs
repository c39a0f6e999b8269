//! Parses the command line into a [`Command`]; prints help texts. Pure: no I/O, no exit.

mod arguments;
mod bake;
mod help;
mod spec;
mod table;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::Path;

use crate::command::Command;
use crate::error::{Error, Result};
use arguments::usage_error;
pub use help::{help, usage};
pub use spec::ConfigSource;
#[cfg(test)]
use table::COMMANDS;

/// The arguments of a command line, without the program's name. If that name is `run`, the
/// arguments are `run --respawned`: s6, runit and daemontools execute a service's file `run`, which
/// is a link to this program, and execute it again after every exit.
pub fn arguments(line: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut line = line.into_iter();
    match line.next() {
        Some(name) if Path::new(&name).ends_with("run") => {
            vec!["run".into(), "--respawned".into()]
        }
        _ => line.collect(),
    }
}

/// Parses the arguments, without the program's name: the command and the configuration it needs.
///
/// # Errors
/// [`crate::error::Kind::Usage`], with the argument that is wrong.
pub fn parse(arguments: &[OsString]) -> Result<(Command, ConfigSource)> {
    use lexopt::Arg::{Long, Short, Value};

    let mut parser = lexopt::Parser::from_args(arguments.iter().cloned());
    match parser.next().map_err(usage_error)? {
        None => Err(Error::usage("missing command")),
        Some(Short('h') | Long("help")) => Ok((Command::Help(None), ConfigSource::None)),
        Some(Short('V') | Long("version")) => Ok((Command::Version, ConfigSource::None)),
        Some(Value(name)) => {
            let spec = table::require(&name)?;
            Ok((spec.parse(parser)?, spec.config))
        }
        Some(option) => Err(usage_error(option.unexpected())),
    }
}
