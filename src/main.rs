//! The program: parse, dispatch, print what went wrong, exit.

use std::io::Write;
use std::process::ExitCode;

use ecs_init::cli::{self, ConfigSource};
use ecs_init::command::{self, Command};
use ecs_init::config::{self, Config};
use ecs_init::error::{Exit, Result};
use ecs_init::logging;
use ecs_init::supervise::respawn_delay;

fn main() -> ExitCode {
    logging::start();
    let arguments = cli::arguments(std::env::args_os());
    let end = match cli::parse(&arguments) {
        Ok((Command::Help(name), _)) => print(&cli::help(name)),
        Ok((Command::Version, _)) => print(concat!(
            "ecs-init version ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        )),
        Ok((command, source)) => run(&command, source),
        Err(error) => {
            eprint!("ecs-init: {error}\n\n{}", cli::usage(&arguments));
            error.exit()
        }
    };
    ExitCode::from(end.code())
}

/// Reads the configuration, does what was asked, logs the error if there is one.
fn run(command: &Command, source: ConfigSource) -> Exit {
    let environment = config::environment();
    let (config, warnings) = match source {
        ConfigSource::Environment => Config::from_environment(environment),
        _ => Config::load(environment),
    };
    logging::level(config.log_level);
    config::log_once(warnings);
    let end = ended(command::dispatch(command, &config));
    if let Command::Run { respawned: true } = command {
        respawn_delay::respawn_delay(end);
    }
    end
}

/// The one place where an error becomes an exit code.
fn ended(result: Result<()>) -> Exit {
    match result {
        Ok(()) => Exit::Success,
        Err(error) if error.is_interrupted() => {
            log::info!("{error}");
            Exit::Success
        }
        Err(error) => {
            log::error!("{error}");
            error.exit()
        }
    }
}

/// Prints to stdout. A reader that went away is no failure of ours.
fn print(text: &str) -> Exit {
    let _ = std::io::stdout().write_all(text.as_bytes());
    Exit::Success
}
