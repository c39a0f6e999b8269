//! `bake`: an image's root tree is filled.

use crate::bake::{self, Options};
use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::sys::signal::Stop;

/// All of it, or nothing. `config` is the build's environment, and no file's.
pub fn run(config: &Config, options: &Options) -> Result<()> {
    // These signals end a download, and never come between two steps of the placing.
    let stop = Stop::install().context(|| "take SIGTERM and SIGINT")?;
    let root = options.root.display();
    // Obeyed, but not done: a script must not go on and make an image of it.
    let failed = |error: Error| Error::new(Kind::InvalidInput, format!("bake {root}: {error}"));
    let baked = bake::run(options, config, &stop).map_err(failed)?;
    log::info!(
        "{root}: {}; agent: {}; architecture: {}; init: {}",
        if baked.unchanged {
            "already up to date"
        } else {
            "installed"
        },
        baked.agent.as_deref().unwrap_or("none"),
        options.architecture.name(),
        baked.init
    );
    Ok(())
}
