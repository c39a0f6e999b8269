//! `pre-start`: the host is made ready for the agent.

use crate::config::Config;
use crate::error::Result;
use crate::sys::signal::Stop;
use crate::{host, network};

use super::foreign_state;
use super::provide::Provider;

/// Directories, GPUs, AppArmor, network, image. Doing it twice is the same as once.
pub fn run(config: &Config, stop: Option<&Stop>) -> Result<()> {
    for missing in host::make_directories(&config.root)? {
        log::warn!("{missing}");
    }
    foreign_state::point_out(config, stop)?;
    if config.agent.gpu {
        host::gpu::prepare(&config.root, host::gpu::PATIENCE, stop)?;
    }
    let agent = &config.agent;
    host::apparmor::ensure(
        &config.root,
        &agent.apparmor_profile,
        agent.apparmor_fallback,
    )?;
    if let Err(error) = host::make_directory(&config.root, host::EBS_DIRECTORY, 0o755) {
        log::warn!("{error}: tasks get no EBS volumes");
    }
    let docker = super::docker(config, stop)?;
    let bridge = docker.default_bridge()?;
    let _in_place = network::apply(&config.root, &config.network, bridge.as_ref())?;
    Provider::new(config, stop)?.ready(&docker)
}
