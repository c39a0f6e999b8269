//! `bake`: an image's root tree is filled.

use crate::bake::{self, Order};
use crate::config::Config;
use crate::error::{Context, Result};
use crate::sys::signal::Stop;

/// All of it, or nothing. `config` is the build's environment, and no file's.
pub fn run(config: &Config, order: &Order) -> Result<()> {
    // A signal ends a download, and never comes between two steps of the placing.
    let stop = Stop::install().doing(|| "take SIGTERM and SIGINT")?;
    let root = order.root.display();
    let baked = bake::run(order, config, Some(&stop)).doing(|| format!("bake {root}"))?;
    log::info!(
        "{root}: {}: agent {} for {}, started by {}",
        if baked.unchanged {
            "nothing to do"
        } else {
            "baked"
        },
        baked.version.as_deref().unwrap_or("of no known version"),
        order.architecture.name(),
        baked.init
    );
    Ok(())
}
