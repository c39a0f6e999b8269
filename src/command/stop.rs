//! `stop`, `pre-stop`: the agent is stopped.

use crate::config::Config;
use crate::error::Result;
use crate::supervise;

/// With its ten seconds of grace. An agent that does not run is stopped.
pub fn run(config: &Config) -> Result<()> {
    supervise::stop_agent(&super::docker(config, None)?)
}
