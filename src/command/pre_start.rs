//! `pre-start`: prepare the host for the agent.

use crate::agent_image;
use crate::config::Config;
use crate::docker::Docker;
use crate::error::Result;
use crate::startup::{report_foreign_state, resolve_config};
use crate::sys::signal::Stop;
use crate::{host, network};

/// Prepares the host. No signal is handled: SIGTERM ends the process.
pub fn run(config: &Config) -> Result<()> {
    let stop = Stop::never();
    prepare(&resolve_config(config, &stop)?, &stop)
}

/// Directories, GPUs, AppArmor, network, image. Idempotent.
pub fn prepare(config: &Config, stop: &Stop) -> Result<()> {
    for missing in host::make_directories(&config.root)? {
        log::warn!("{missing}");
    }
    report_foreign_state(config, stop)?;
    if config.agent.gpu {
        host::gpu::prepare(&config.root, host::gpu::TIMEOUT, stop)?;
    }
    let agent = &config.agent;
    host::apparmor::ensure(
        &config.root,
        &agent.apparmor_profile,
        agent.apparmor_fallback,
    )?;
    if let Err(error) = host::make_directory(&config.root, host::EBS_DIRECTORY, 0o755) {
        log::warn!("{error}: tasks cannot use EBS volumes");
    }
    let docker = Docker::connect(&config.docker_socket, config.docker_wait, stop)?;
    let bridge = docker.default_bridge()?;
    let _applied = network::apply(&config.root, &config.network, bridge.as_ref())?;
    agent_image::source(config, stop)?.ensure(&docker)
}
