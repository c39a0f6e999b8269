//! The specification of one command, for the parser, the usage and the help.

use lexopt::Arg::{Long, Short, Value};

use super::arguments::{OptionSpec, ParsedArguments, usage_error};
use crate::command::Command;
use crate::error::{Error, Result};

/// One command of the program.
#[derive(Debug)]
pub(super) struct CommandSpec {
    /// The first word of the command line.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// What follows the name, one entry for each form.
    pub usage: &'static [&'static str],
    /// What it does, on one line.
    pub summary: &'static str,
    /// The rest of its help.
    pub details: &'static str,
    /// The options it takes.
    pub(super) options: &'static [OptionSpec],
    /// Which configuration it needs.
    pub(super) config: ConfigSource,
    /// Builds the command from its arguments.
    pub(super) build: fn(&mut ParsedArguments) -> Result<Command>,
}

/// Where the configuration of a command comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// The command needs no configuration.
    None,
    /// The environment alone: `bake` works on another host's files.
    Environment,
    /// The environment and this host's files.
    Files,
}

impl CommandSpec {
    /// A command without aliases, arguments and options that reads this host's configuration.
    pub(super) const fn new(
        name: &'static str,
        summary: &'static str,
        details: &'static str,
        build: fn(&mut ParsedArguments) -> Result<Command>,
    ) -> CommandSpec {
        CommandSpec {
            name,
            aliases: &[],
            usage: &[""],
            summary,
            details,
            options: &[],
            config: ConfigSource::Files,
            build,
        }
    }

    /// Parses what follows the command's name.
    pub(super) fn parse(&self, mut parser: lexopt::Parser) -> Result<Command> {
        let mut arguments = ParsedArguments::default();
        while let Some(argument) = parser.next().map_err(usage_error)? {
            match argument {
                Short('h') | Long("help") => return Ok(Command::Help(Some(self.name))),
                Short('V') | Long("version") => return Ok(Command::Version),
                Value(operand) => arguments.operands.push_back(operand),
                Long(name) => {
                    let mut options = self.options.iter();
                    let Some(option) = options.find(|option| option.name() == name) else {
                        return Err(usage_error(argument.unexpected()));
                    };
                    arguments.add(option, &mut parser)?;
                }
                Short(_) => return Err(usage_error(argument.unexpected())),
            }
        }
        let command = (self.build)(&mut arguments)?;
        match arguments.operands.front() {
            None => Ok(command),
            Some(extra) => Err(Error::usage(format!(
                "unexpected argument '{}'",
                extra.display()
            ))),
        }
    }
}
