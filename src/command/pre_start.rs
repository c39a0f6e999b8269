//! `pre-start`: the host is made ready for the agent.

use crate::config::Config;
use crate::error::Result;
use crate::sys::signal::Stop;
use crate::{host, network};

use crate::agent_image::AgentImage;
use crate::startup::instance_check;

/// Directories, GPUs, AppArmor, network, image. Doing it twice is the same as once.
pub fn run(config: &Config, stop: &Stop) -> Result<()> {
    for missing in host::make_directories(&config.root)? {
        log::warn!("{missing}");
    }
    instance_check::warn_if_foreign(config, stop)?;
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
    AgentImage::new(config, stop)?.ready(&docker)
}
