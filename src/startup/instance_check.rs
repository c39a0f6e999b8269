//! An image that was made from a running instance: its agent's state is another instance's, and
//! nothing else would say so.

use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::fetch::imds;
use crate::host::state;
use crate::sys::signal::Stop;

/// So often is the service asked which instance this is: a service that does not answer must not
/// hold up a start for the sake of a warning.
const TRIES: u32 = 2;

/// One line if the agent's state is of another EC2 instance than this. Where that cannot be told
/// there is none; nothing is asked if there is no state that names an instance.
///
/// # Errors
/// A signal arrived meanwhile.
pub fn warn_if_foreign(config: &Config, stop: &Stop) -> Result<()> {
    if config.external || config.web.imds_disabled {
        return Ok(());
    }
    match compare(config, stop) {
        Ok(Some(line)) => log::error!("{line}"),
        Ok(None) => {}
        Err(error) if error.is_interrupted() => return Err(error),
        Err(error) => log::debug!("{error}; whose the agent's state is stays unknown"),
    }
    Ok(())
}

fn compare(config: &Config, stop: &Stop) -> Result<Option<String>> {
    let directory = config.root.at(state::DIRECTORY);
    let Some(theirs) = state::instance_id(&directory)? else {
        return Ok(None);
    };
    let ours = imds::get(config, "instance-id", TRIES, stop)
        .context(|| "ask the instance metadata service for this instance's ID")?;
    let ours = ours.trim();
    if !state::is_id(ours) {
        return Err(Error::new(
            Kind::InvalidInput,
            "the instance-id of the metadata service is none",
        ));
    }
    Ok((ours != theirs).then(|| {
        let directory = directory.display();
        format!(
            "THIS INSTANCE IS {ours}, BUT THE AGENT'S STATE IN {directory} IS OF {theirs}: the \
             image was made from an instance on which the agent had run. To mend this instance, \
             stop the agent, delete all that is in {directory}, and start it again; to mend the \
             image, do the same before it is made: `ecs-init bake --check /` names what must go"
        )
    }))
}
