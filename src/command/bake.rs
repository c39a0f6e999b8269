//! `bake`: install into an image's root tree.

use crate::bake::{self, Options};
use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::sys::signal::Stop;

/// Applies all changes or none. `config` is from the environment of the build, without files.
pub fn run(config: &Config, options: &Options) -> Result<()> {
    // A signal ends a download, and does not interrupt the commit of the changes.
    let stop = Stop::install().context(|| "handle SIGTERM and SIGINT")?;
    let root = options.root.display();
    // An interrupted bake is a failure: a script must not continue with an incomplete image.
    let failed = |error: Error| {
        let kind = match error.kind() {
            Kind::Interrupted => Kind::Transient,
            kind => kind,
        };
        Error::with_source(kind, format!("bake {root}"), error)
    };
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
