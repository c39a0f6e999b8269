//! `reload-cache`: the cached image is loaded anew, or pulled anew.

use crate::config::Config;
use crate::docker::Docker;
use crate::error::Result;
use crate::fetch::s3_config;
use crate::sys::signal::Stop;

use crate::agent_image::AgentImage;

/// Downloads it first if there is none.
pub fn run(config: &Config) -> Result<()> {
    s3_config::require_stored(config)?;
    for missing in crate::host::make_directories(&config.root)? {
        log::warn!("{missing}");
    }
    let docker = Docker::connect(&config.docker_socket, config.docker_wait, &Stop::never())?;
    AgentImage::new(config, &Stop::never())?.reload(&docker)
}
