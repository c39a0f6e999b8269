//! From whatever there is to an agent that runs.

use super::{CONTAINER, Load, identity};
use crate::docker::spec::ContainerSpec;
use crate::docker::{ApiError, Docker};
use crate::error::{Error, Kind, Result};

/// The id of a container that runs the agent as `spec` has it: the one that is there, if it was
/// made so and runs; else a new one in its place. An image that is gone is loaded again, once.
///
/// # Errors
/// If dockerd refuses, or is away, or the image cannot be loaded. What runs then may be the old
/// container, or none.
pub(super) fn begin(
    docker: &Docker,
    spec: &ContainerSpec,
    load: &mut impl FnMut(&Docker, Load) -> Result<()>,
) -> Result<String> {
    let there = docker.container(CONTAINER)?;
    let mut reloaded = false;
    let mut image = match docker.image(&spec.image)? {
        Some(image) => image.id,
        None => reload(docker, spec, load, &mut reloaded)?,
    };
    let mark = identity::mark(spec, &image)?;
    if let Some(there) = &there
        && identity::is_as_wanted(there, &mark)
    {
        log::info!("the agent runs already, as it would be made: it is taken over");
        return Ok(there.id.clone());
    }
    docker.remove_container(CONTAINER)?;
    let created = loop {
        let marked = identity::marked(spec, &identity::mark(spec, &image)?);
        match docker.create_container(CONTAINER, &marked) {
            Err(e) if !reloaded && is_not_found(&e) => {
                image = reload(docker, spec, load, &mut reloaded)?;
            }
            created => break created?,
        }
    };
    for warning in &created.warnings {
        log::debug!("dockerd on the agent's container: {warning}");
    }
    // Not to be interrupted: a start that was asked for is seen through, so that the stop
    // that follows meets a container that runs and not one that is about to.
    docker.without_stop().start_container(&created.id)?;
    if let Some(there) = there.filter(|c| !c.image.is_empty() && c.image != image) {
        tidy(docker, &there.image);
    }
    Ok(created.id)
}

/// The image's id, after it was loaded again.
fn reload(
    docker: &Docker,
    spec: &ContainerSpec,
    load: &mut impl FnMut(&Docker, Load) -> Result<()>,
    reloaded: &mut bool,
) -> Result<String> {
    log::warn!("{} is not in Docker any more: loading it again", spec.image);
    *reloaded = true;
    load(docker, Load::Cached)?;
    let image = docker.image(&spec.image)?;
    image.map(|image| image.id).ok_or_else(|| {
        Error::new(
            Kind::InvalidInput,
            format!("{} was loaded, and is not there", spec.image),
        )
    })
}

/// Whether dockerd says that there is no such image (create's only 404 of that kind).
fn is_not_found(error: &Error) -> bool {
    error.find::<ApiError>().is_some_and(|e| e.status == 404)
}

/// Removes the image of the container that was replaced, if nobody names or uses it now. Space
/// is all that is at stake.
fn tidy(docker: &Docker, image: &str) {
    match docker.remove_dangling_image(image) {
        Ok(true) => log::info!("removed the agent's old image {image}"),
        Ok(false) => {}
        Err(e) => log::warn!("{e}"),
    }
}
