//! `reload-cache`: load the cached image again, or pull it again.

use crate::agent_image;
use crate::config::Config;
use crate::docker::Docker;
use crate::error::Result;
use crate::fetch::s3_config;
use crate::host;
use crate::sys::signal::Stop;

/// Downloads the image first if the cache is empty.
pub fn run(config: &Config) -> Result<()> {
    s3_config::require_stored(config)?;
    for missing in host::make_directories(&config.root)? {
        log::warn!("{missing}");
    }
    let stop = Stop::never();
    let docker = Docker::connect(&config.docker_socket, config.docker_wait, &stop)?;
    agent_image::source(config, &stop)?.reload(&docker)
}
