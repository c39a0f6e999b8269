//! One file for each command, and in it nothing but the order of the steps.

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

use std::path::PathBuf;

use crate::bake::Options;
use crate::config::Config;
use crate::error::Result;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Prepare the host: network, image.
    PreStart,
    /// Run the agent and keep it running.
    Start,
    /// Stop the agent (`stop`, `pre-stop`).
    Stop,
    /// Undo the network changes of pre-start.
    PostStop,
    /// Load the cached image again.
    ReloadCache,
    /// pre-start, start and post-stop in one process.
    Run {
        /// The init restarts the process after every exit, whatever its exit code.
        respawned: bool,
    },
    /// Verify a tar's signature.
    Verify {
        /// The tar.
        tar: PathBuf,
        /// Its detached signature; by default `TAR.asc`.
        signature: Option<PathBuf>,
    },
    /// Print the firewall rules.
    Rules,
    /// Install into an image's root tree.
    Bake(Box<Options>),
    /// List what must not be in an image.
    BakeCheck(PathBuf),
    /// Print the version.
    Version,
    /// Print the help of this command, or the general help.
    Help(Option<&'static str>),
}

/// Runs a command.
///
/// # Errors
/// The failed step; its kind decides the exit code.
pub fn dispatch(command: &Command, config: &Config) -> Result<()> {
    match command {
        Command::PreStart => pre_start::run(config),
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
        Command::Bake(options) => bake::run(config, options),
        Command::BakeCheck(dir) => bake_check::run(dir),
        // main prints both: they need no configuration.
        Command::Version | Command::Help(_) => Ok(()),
    }
}
