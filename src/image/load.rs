//! An archive that was looked into becomes an image in Docker.

use std::borrow::Borrow;
use std::fs::File;

use super::{Archive, IMAGE};
use crate::docker::Docker;
use crate::error::{Context, Error, Kind, Result};

/// An image that Docker has under the name [`IMAGE`]. Only [`load`], of a verified tar, and
/// [`super::registry::name`], of what was pulled by an order, make one.
#[derive(Debug)]
pub struct Loaded(pub(super) String);

impl Loaded {
    /// The image's ID, as Docker gave it: `sha256:…`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0
    }
}

/// Streams the archive to Docker, and looks whether the tag is there then: Docker's own word for
/// it has been known to be missing (Engine API, `POST /images/load`).
///
/// # Errors
/// Docker did not take it, or the archive changed since it was verified.
pub fn load<F: Borrow<File>>(docker: &Docker, archive: &Archive<F>) -> Result<Loaded> {
    let source = archive.verified().source();
    let (mut reader, length) = archive
        .reader()
        .context(|| format!("read the tar from {source} again"))?;
    for said in docker.load_image(&mut reader, length)? {
        log::debug!("dockerd: {}", said.trim_end());
    }
    let image = docker.image(IMAGE)?.ok_or_else(|| {
        Error::new(
            Kind::InvalidInput,
            format!(
                "dockerd took the tar from {source} and has no {IMAGE} for it; see dockerd's log"
            ),
        )
    })?;
    Ok(Loaded(image.id))
}
