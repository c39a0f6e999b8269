//! Usage and help texts, from the table of commands.

use std::ffi::OsString;
use std::fmt::Write;

use super::spec::CommandSpec;
use super::table::{self, COMMANDS};

/// The column at which an option's description starts.
const INDENT: usize = 25;

/// What to print after a usage error: the help of the command in these arguments, or the general
/// help if they name none.
pub fn usage(arguments: &[OsString]) -> String {
    let mut words = arguments.iter().filter_map(|word| word.to_str());
    help(words.find(|word| !word.starts_with('-')))
}

/// The help text of the command of this name, or the general one.
pub fn help(name: Option<&str>) -> String {
    let Some(spec) = name.and_then(table::find) else {
        return general();
    };
    let mut text = format!("ecs-init {}: {}\n\n", spec.name, spec.summary);
    text.push_str(&forms(spec));
    if !spec.aliases.is_empty() {
        let _ = writeln!(text, "alias: {}", spec.aliases.join(", "));
    }
    let _ = writeln!(text, "\n{}", spec.details);
    if !spec.options.is_empty() {
        text.push_str("\noptions:\n");
    }
    for option in spec.options {
        let head = format!("--{}", option.usage);
        let lines = option.help.replace('\n', &format!("\n{:INDENT$}", ""));
        let _ = writeln!(text, "  {head:<22} {lines}");
    }
    text
}

/// The usage lines of a command.
fn forms(spec: &CommandSpec) -> String {
    let mut text = String::new();
    for (index, form) in spec.usage.iter().enumerate() {
        let label = if index == 0 { "usage:" } else { "      " };
        let line = format!("{label} ecs-init {} {form}", spec.name);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn general() -> String {
    let mut text = String::from(
        "Downloads, verifies, runs and supervises the Amazon ECS agent.\n\n\
         usage: ecs-init COMMAND [ARGUMENT]...\n\ncommands:\n",
    );
    for spec in &COMMANDS {
        let _ = writeln!(text, "  {:<13} {}", spec.name, spec.summary);
    }
    text.push_str(
        "\n`ecs-init help COMMAND` prints the help of a command.\n\n\
         Configuration: environment, /etc/ecs/ecs.config, /var/lib/ecs/ecs.config.\n\
         Exit codes: 0 success, 1 usage error, 5 the agent cannot run on this host, 255 any other\n\
         failure.\n",
    );
    text
}
