//! `run`: all of it in one process, for an init without hooks, or none.

use crate::config::Config;
use crate::error::{Context, Result};
use crate::supervise::lock::Lock;
use crate::sys::signal::Stop;

use super::{post_stop, pre_start, start};
use crate::startup::resolve_config;

/// pre-start, start, and post-stop whatever came of them.
pub fn run(config: &Config) -> Result<()> {
    let stop = Stop::install().context(|| "take SIGTERM and SIGINT")?;
    // Held to the end: a second one would take the first one's rules away on its way out.
    let _lock = Lock::take(&config.root)?;
    let config = &resolve_config::resolve_config(config, &stop)?;
    let end = pre_start::prepare(config, &stop).and_then(|()| start::supervise(config, &stop));
    post_stop::run(config);
    end
}
