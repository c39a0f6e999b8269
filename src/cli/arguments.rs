//! The options and operands of one command: their specification and their values.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::ValueExt;

use crate::error::{Error, Result};
use crate::http::url::redact;

/// One option of a command.
#[derive(Debug)]
pub(super) struct OptionSpec {
    /// The name, without `--`, and what its value stands for; a flag has no value.
    pub usage: &'static str,
    /// Whether it may be given more than once.
    pub repeatable: bool,
    /// What it does; its lines are indented in the help.
    pub help: &'static str,
}

impl OptionSpec {
    /// An option that may be given once.
    pub(super) const fn new(usage: &'static str, help: &'static str) -> OptionSpec {
        OptionSpec {
            usage,
            repeatable: false,
            help,
        }
    }

    /// The name, without `--`.
    pub(super) fn name(&self) -> &'static str {
        self.usage.split(' ').next().unwrap_or_default()
    }
}

/// The values of the options and operands of one command.
#[derive(Debug, Default)]
pub(super) struct ParsedArguments {
    pub(super) options: Vec<(&'static str, OsString)>,
    pub(super) operands: VecDeque<OsString>,
}

impl ParsedArguments {
    pub(super) fn add(&mut self, option: &OptionSpec, parser: &mut lexopt::Parser) -> Result<()> {
        let name = option.name();
        let value = if option.usage == name {
            OsString::new()
        } else {
            parser.value().map_err(usage_error)?
        };
        if !option.repeatable && self.flag(name) {
            return Err(Error::usage(format!("--{name} may be given only once")));
        }
        self.options.push((name, value));
        Ok(())
    }

    /// Whether an option was given.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| *option == name)
    }

    /// The values of a repeatable option, in their order.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &OsString> {
        let same = self
            .options
            .iter()
            .filter(move |(option, _)| *option == name);
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

/// An error of the parser.
pub(super) fn usage_error(error: lexopt::Error) -> Error {
    Error::usage(error.to_string())
}
