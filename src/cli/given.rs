//! The arguments of one command, as given on the command line.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};
use lexopt::ValueExt;

use super::table::{OptionSpec, Spec};
use super::usage_error;
use crate::command::Command;
use crate::error::{Error, Result};
use crate::http::url::redact;

/// The options and operands of one command.
#[derive(Debug, Default)]
pub(super) struct Given {
    options: Vec<(&'static str, OsString)>,
    operands: VecDeque<OsString>,
}

impl Spec {
    /// Parses what follows the command's name.
    pub(super) fn parse(&self, mut parser: lexopt::Parser) -> Result<Command> {
        let mut given = Given::default();
        while let Some(argument) = parser.next().map_err(usage_error)? {
            match argument {
                Short('h') | Long("help") => return Ok(Command::Help(Some(self.name))),
                Short('V') | Long("version") => return Ok(Command::Version),
                Value(operand) => given.operands.push_back(operand),
                Long(name) => {
                    let mut options = self.options.iter();
                    let Some(option) = options.find(|option| option.name == name) else {
                        return Err(usage_error(argument.unexpected()));
                    };
                    given.add(option, &mut parser)?;
                }
                Short(_) => return Err(usage_error(argument.unexpected())),
            }
        }
        let command = (self.build)(&mut given)?;
        match given.operands.front() {
            None => Ok(command),
            Some(extra) => Err(Error::usage(format!(
                "unexpected argument '{}'",
                extra.display()
            ))),
        }
    }
}

impl Given {
    fn add(&mut self, option: &OptionSpec, parser: &mut lexopt::Parser) -> Result<()> {
        let value = match option.value {
            Some(_) => parser.value().map_err(usage_error)?,
            None => OsString::new(),
        };
        if !option.repeatable && self.flag(option.name) {
            return Err(Error::usage(format!(
                "--{} may be given only once",
                option.name
            )));
        }
        self.options.push((option.name, value));
        Ok(())
    }

    /// Whether an option was given.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// How many options were given.
    pub(super) fn options(&self) -> usize {
        self.options.len()
    }

    /// Whether operands were given.
    pub(super) fn has_operands(&self) -> bool {
        !self.operands.is_empty()
    }

    /// The values of a repeatable option, in their order.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &OsString> {
        let same = self.options.iter().filter(move |(given, _)| *given == name);
        same.map(|(_, value)| value)
    }

    /// The value of an option that is a path.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.values(name).next().map(PathBuf::from)
    }

    /// The parsed value of an option.
    pub(super) fn parsed<T, E: ToString>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>> {
        let Some(value) = self.values(name).next() else {
            return Ok(None);
        };
        let text = value.clone().string().map_err(usage_error)?;
        let invalid = |why: E| {
            let (value, why) = (redact(&text), why.to_string());
            Error::usage(format!("--{name} {value}: {why}"))
        };
        parse(&text).map(Some).map_err(invalid)
    }

    /// The next operand, which is required; `name` is its name in the usage.
    pub(super) fn operand(&mut self, name: &str) -> Result<PathBuf> {
        let missing = || Error::usage(format!("missing operand {name}"));
        self.optional_operand().ok_or_else(missing)
    }

    /// The next operand, if there is one.
    pub(super) fn optional_operand(&mut self) -> Option<PathBuf> {
        self.operands.pop_front().map(PathBuf::from)
    }
}
