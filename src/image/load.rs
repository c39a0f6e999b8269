//! Loads an archive into Docker.

use std::borrow::Borrow;
use std::fs::File;

use super::{Archive, IMAGE};
use crate::docker::Docker;
use crate::error::{Context, Error, Result};

/// The image that has the name [`IMAGE`] in Docker. Only [`load`] and [`super::registry::tag`]
/// create one.
#[derive(Debug)]
pub(crate) struct Loaded(pub(super) String);

impl Loaded {
    /// The image's ID, `sha256:…`.
    pub(crate) fn id(&self) -> &str {
        &self.0
    }
}

/// Sends the archive to Docker, and checks that the tag exists: dockerd may report success without
/// it (Engine API, `POST /images/load`).
///
/// # Errors
/// dockerd rejected it, or the archive was changed after verification.
pub(crate) fn load<F: Borrow<File>>(docker: &Docker, archive: &Archive<F>) -> Result<Loaded> {
    let source = archive.verified().source();
    let (mut reader, length) = archive
        .reader()
        .context(|| format!("read the tar from {source}"))?;
    for message in docker.load_image(&mut reader, length)? {
        log::debug!("dockerd: {message}");
    }
    let image = docker.image(IMAGE)?.ok_or_else(|| {
        let context =
            format!("dockerd loaded the tar from {source} without {IMAGE}; see dockerd's log");
        Error::unavailable(context)
    })?;
    Ok(Loaded(image.id))
}
