//! Before anything else is done, the configuration comes to rest.

use std::borrow::Cow;

use crate::acquire::s3_config;
use crate::config::Config;
use crate::error::Result;
use crate::sys::signal::Stop;

/// The configuration with all of its layers: what lies in S3 is fetched, and read with the rest.
pub fn settle<'a>(config: &'a Config, stop: Option<&Stop>) -> Result<Cow<'a, Config>> {
    if !s3_config::fetch(config, stop)? {
        return Ok(Cow::Borrowed(config));
    }
    let (config, warnings) = Config::of_process();
    crate::logging::level(config.log_level.filter());
    for warning in warnings {
        log::warn!("{warning}");
    }
    Ok(Cow::Owned(config))
}
