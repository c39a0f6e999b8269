//! `run`: pre-start, start and post-stop in one process, for an init without hooks.

use super::{post_stop, pre_start, start};
use crate::config::Config;
use crate::error::{Context, Result};
use crate::startup::resolve_config;
use crate::supervise::Lock;
use crate::sys::signal::Stop;

/// Runs post-stop even if one of the others fails.
pub fn run(config: &Config) -> Result<()> {
    let stop = Stop::install().context(|| "handle SIGTERM and SIGINT")?;
    // Held to the end: post-stop would remove the rules of another supervisor.
    let _lock = Lock::acquire(&config.root)?;
    let config = &resolve_config(config, &stop)?;
    let result = pre_start::prepare(config, &stop).and_then(|()| start::supervise(config, &stop));
    post_stop::run(config);
    result
}
