//! Detects an image that was made from a running instance: the agent's state is another instance's.

use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::fetch::imds;
use crate::host::state;
use crate::sys::signal::Stop;

/// The maximum number of requests for the instance ID. Few, because an unreachable metadata service
/// must not delay the start.
const ATTEMPTS: u32 = 2;

/// Logs an error if the agent's state is another EC2 instance's. If either instance ID is unknown,
/// it logs nothing. Without a state that has an instance ID, it sends no request.
///
/// # Errors
/// A signal arrived.
pub fn report_foreign_state(config: &Config, stop: &Stop) -> Result<()> {
    if config.external || config.web.imds_disabled {
        return Ok(());
    }
    match compare(config, stop) {
        Ok(Some(line)) => log::error!("{line}"),
        Ok(None) => {}
        Err(error) if error.is_interrupted() => return Err(error),
        Err(error) => log::debug!("{error}; not checking which instance the agent's state is of"),
    }
    Ok(())
}

fn compare(config: &Config, stop: &Stop) -> Result<Option<String>> {
    let directory = config.root.at(state::DIRECTORY);
    let Some(recorded) = state::instance_id(&directory)? else {
        return Ok(None);
    };
    let current = imds::get(config, "instance-id", ATTEMPTS, stop)
        .context(|| "ask the instance metadata service for this instance's ID")?;
    let current = current.trim();
    if !state::is_id(current) {
        return Err(Error::invalid("IMDS returned an invalid instance ID"));
    }
    Ok((current != recorded).then(|| {
        let directory = directory.display();
        format!(
            "this instance is {current}, but the agent's state in {directory} is of {recorded}: \
             the image was made from an instance on which the agent had run; stop the agent, \
             delete the content of {directory}, start the agent; to fix the image, delete that \
             content before creating the image (`ecs-init bake --check /` lists it)"
        )
    }))
}
