//! One file a verb, and in it nothing but the order of the steps.

mod bake;
mod bake_check;
mod post_stop;
mod pre_start;
mod reload_cache;
mod rules;
mod run;
mod start;
mod stop;
mod verify;

use crate::cli::Command;
use crate::config::Config;
use crate::docker::Docker;
use crate::error::Result;
use crate::startup::resolve_config;
use crate::sys::signal::Stop;

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Does what was asked.
///
/// # Errors
/// What failed, and how the process ends for it.
pub fn dispatch(command: &Command, config: &Config) -> Result<()> {
    match command {
        Command::PreStart => pre_start::run(
            &resolve_config::resolve_config(config, &Stop::never())?,
            &Stop::never(),
        ),
        Command::Start => start::run(config),
        Command::Stop => stop::run(config),
        Command::PostStop => {
            post_stop::run(config);
            Ok(())
        }
        Command::ReloadCache => reload_cache::run(config),
        Command::Run { .. } => run::run(config),
        Command::Verify { tar, signature } => verify::run(config, tar, signature.as_deref()),
        Command::Rules => rules::run(config),
        Command::Bake(order) => bake::run(config, order),
        Command::BakeCheck(dir) => bake_check::run(dir),
        // These need no configuration and never come here.
        Command::Version | Command::Help(_) => Ok(()),
    }
}

/// dockerd, waited for as long as the configuration says.
fn docker(config: &Config, stop: &Stop) -> Result<Docker> {
    Docker::connect(&config.docker_socket, config.docker_wait, stop)
}
