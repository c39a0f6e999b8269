//! `reload-cache`: the cached image is loaded anew, or pulled anew.

use crate::acquire::s3_config;
use crate::config::Config;
use crate::error::Result;

use super::provide::Provider;

/// Downloads it first if there is none.
pub fn run(config: &Config) -> Result<()> {
    s3_config::held(config)?;
    for missing in crate::host::make_directories(&config.root)? {
        log::warn!("{missing}");
    }
    let docker = super::docker(config, None)?;
    Provider::new(config, None)?.reload(&docker)
}
