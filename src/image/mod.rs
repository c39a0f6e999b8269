//! The agent's image. A verified tar that contains it is an [`Archive`], which [`load()`] sends to
//! Docker; or dockerd pulls it from a [`registry`]. Only these two create a [`Loaded`].
//!
//! Verification proves who signed a tar; [`check`] then finds a wrong tar, for example for another
//! architecture, before the container fails to start.

mod content;
mod entries;
mod error;
mod limited;
mod load;
mod manifest;
mod pull_request;
mod reference;
pub(crate) mod registry;

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Read, Seek};

pub use error::ImageError;
pub(crate) use load::{Loaded, load};
pub(crate) use pull_request::PullRequest;
pub(crate) use reference::Reference;

use crate::error::{Error, Kind, Result};
use crate::types::Architecture;
use crate::verify::{Provenance, Verified};
use content::Content;

/// The repository of the agent's image in Docker.
const REPOSITORY: &str = "amazon/amazon-ecs-agent";

/// Its tag.
const TAG: &str = "latest";

/// The name of the agent's image, from which its container is created.
pub const IMAGE: &str = "amazon/amazon-ecs-agent:latest";

/// A verified tar that is a docker-archive of the agent's image for one architecture.
#[derive(Debug)]
pub struct Archive<F = File> {
    verified: Verified<F>,
}

/// Checks that a tar, uncompressed or gzip, contains the agent's image for `wanted`: its
/// `manifest.json` lists an image with the tag [`IMAGE`], the tar has this image's configuration
/// and all its layers, and the architecture in the configuration, if any, is `wanted`. Unpacks
/// nothing.
///
/// # Errors
/// An [`ImageError`]; the message names the tar's source.
pub fn check<F: Borrow<File>>(verified: Verified<F>, wanted: Architecture) -> Result<Archive<F>> {
    let checked = match verified.reader() {
        Ok(file) => check_content(file, verified.len(), wanted),
        Err(error) => Err(ImageError::Unreadable(error)),
    };
    match checked {
        Ok(()) => Ok(Archive { verified }),
        Err(error) => {
            let context = format!(
                "the tar from {} is not the agent's image",
                verified.source()
            );
            Err(Error::with_source(Kind::InvalidInput, context, error))
        }
    }
}

/// [`check`] for a file of `length` bytes.
fn check_content<R: Read + Seek>(
    file: R,
    length: u64,
    wanted: Architecture,
) -> Result<(), ImageError> {
    let mut content = Content::read(file, length)?;
    let json = content.json(manifest::MANIFEST, "every docker-archive")?;
    for image in manifest::agent_images(&json)? {
        let config = content.json(&image.config, manifest::MANIFEST)?;
        manifest::check_config(&image.config, &config, wanted)?;
        if let Some(missing) = image
            .layers
            .iter()
            .flatten()
            .find(|layer| content.get(layer).is_none())
        {
            return Err(ImageError::MissingEntry {
                entry: missing.clone(),
                wanted_by: manifest::MANIFEST,
            });
        }
    }
    Ok(())
}

impl<F: Borrow<File>> Archive<F> {
    /// The tar, compressed or not, and its length in bytes: the body of `POST /images/load`.
    /// Verified again, as by [`Verified::stream`].
    ///
    /// # Errors
    /// As [`Verified::stream`].
    pub fn reader(&self) -> io::Result<(impl Read + '_, u64)> {
        Ok((self.verified.stream()?, self.verified.len()))
    }

    /// Why the tar is trusted.
    pub fn provenance(&self) -> &Provenance {
        self.verified.provenance()
    }

    /// The verified tar.
    pub fn verified(&self) -> &Verified<F> {
        &self.verified
    }

    /// As [`Verified::split`].
    ///
    /// # Errors
    /// As [`Verified::split`].
    pub fn split(self) -> io::Result<(F, Archive)> {
        let (file, verified) = self.verified.split()?;
        Ok((file, Archive { verified }))
    }
}
