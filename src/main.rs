//! The program: parse the command line, run the command, log its error, exit.

use std::io::Write;
use std::process;

use ecs_init::cli::{self, ConfigSource};
use ecs_init::command::{self, Command};
use ecs_init::config::{self, Config};
use ecs_init::error::{ExitCode, Result};
use ecs_init::logging;
use ecs_init::supervise::respawn_delay;

fn main() -> process::ExitCode {
    logging::start();
    let arguments = cli::arguments(std::env::args_os());
    let exit_code = match cli::parse(&arguments) {
        Ok((Command::Help(name), _)) => print(&cli::help(name)),
        Ok((Command::Version, _)) => print(concat!(
            "ecs-init version ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        )),
        Ok((command, source)) => run(&command, source),
        Err(error) => {
            eprint!("ecs-init: {error}\n\n{}", cli::usage(&arguments));
            error.exit_code()
        }
    };
    process::ExitCode::from(exit_code.code())
}

/// Reads the configuration and runs the command.
fn run(command: &Command, source: ConfigSource) -> ExitCode {
    let environment = config::environment();
    let (config, warnings) = match source {
        ConfigSource::Environment => Config::from_environment(environment),
        _ => Config::load(environment),
    };
    logging::set_level(config.log_level);
    config::log_once(warnings);
    let exit_code = log_result(command::dispatch(command, &config));
    if let Command::Run { respawned: true } = command {
        respawn_delay(exit_code);
    }
    exit_code
}

/// Logs the error of a command, if there is one. An interrupt is not a failure.
fn log_result(result: Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::Success;
    };
    if error.is_interrupted() {
        log::info!("{error}");
    } else {
        log::error!("{error}");
    }
    error.exit_code()
}

/// Prints to stdout. A closed pipe is not an error.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::Success
}
