//! Makes sure that a container runs the agent: adopt the existing one, or replace it.

use super::{CONTAINER, ImageToLoad, spec_digest};
use crate::docker::spec::ContainerSpec;
use crate::docker::{ApiError, Docker};
use crate::error::{Error, Result};

/// Returns the ID of a running container that was created from `spec`: the existing one if it
/// matches, else a new one. If the image is not in Docker, it is loaded once.
///
/// # Errors
/// dockerd refuses or is away, or the image cannot be loaded. The old container may still run.
pub(super) fn ensure_running(
    docker: &Docker,
    spec: &ContainerSpec,
    load: &mut impl FnMut(&Docker, ImageToLoad) -> Result<()>,
) -> Result<String> {
    let existing = docker.container(CONTAINER)?;
    let mut reloaded = false;
    let mut image = match docker.image(&spec.image)? {
        Some(image) => image.id,
        None => reload(docker, spec, load, &mut reloaded)?,
    };
    let digest = spec_digest::compute(spec, &image)?;
    if let Some(existing) = &existing
        && spec_digest::matches(existing, &digest)
    {
        log::info!("adopting the running agent container {}", existing.id);
        return Ok(existing.id.clone());
    }
    docker.remove_container(CONTAINER)?;
    let created = loop {
        let labelled = spec_digest::label(spec, &spec_digest::compute(spec, &image)?);
        match docker.create_container(CONTAINER, &labelled) {
            Err(e) if !reloaded && is_not_found(&e) => {
                image = reload(docker, spec, load, &mut reloaded)?;
            }
            created => break created?,
        }
    };
    for warning in &created.warnings {
        log::debug!("dockerd's warning about the agent's container: {warning}");
    }
    // Without interruption: the stop that follows a signal must find a running container, not one
    // that is about to start.
    docker.without_stop().start_container(&created.id)?;
    // The image of the replaced container. A failure costs only disk space.
    if let Some(existing) = existing.filter(|c| !c.image.is_empty() && c.image != image)
        && let Err(error) = docker.remove_dangling_image(&existing.image)
    {
        log::warn!("{error}");
    }
    Ok(created.id)
}

/// Loads the image again and returns its ID.
fn reload(
    docker: &Docker,
    spec: &ContainerSpec,
    load: &mut impl FnMut(&Docker, ImageToLoad) -> Result<()>,
    reloaded: &mut bool,
) -> Result<String> {
    log::warn!("{} is not in Docker: loading it", spec.image);
    *reloaded = true;
    load(docker, ImageToLoad::Cached)?;
    let image = docker.image(&spec.image)?;
    image.map(|image| image.id).ok_or_else(|| {
        Error::unavailable(format!(
            "{} is not in Docker after it was loaded",
            spec.image
        ))
    })
}

/// Whether dockerd answered 404: for `create`, that the image does not exist.
fn is_not_found(error: &Error) -> bool {
    error.find::<ApiError>().is_some_and(|e| e.status == 404)
}
