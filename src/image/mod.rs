//! A verified tar becomes an [`Archive`]: looked into, and found to be the agent's image for this
//! host. Only an `Archive` is given to Docker. The other way is [`registry`]: dockerd pulls by a
//! digest. Either ends in [`Loaded`], and nothing else does.
//!
//! Verification says who vouches for the bytes; this says that they are the right ones. Without
//! it a mistake (the other architecture's tar, say) would come out only when the container fails.

mod content;
mod load;
mod manifest;
mod reference;
pub mod registry;
mod unfit;

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Read, Seek};

pub use load::{Loaded, load};
pub use reference::Reference;
pub use unfit::{Reason, Unfit};

use crate::types::Architecture;
use crate::verify::{Provenance, Verified};
use content::Content;

/// The tag of the agent's image, under which its container is created.
pub const IMAGE: &str = "amazon/amazon-ecs-agent:latest";

/// A verified tar that is a docker-archive of the agent's image for this host.
#[derive(Debug)]
pub struct Archive<F = File> {
    verified: Verified<F>,
}

/// Looks into a tar, plain or gzip: a `manifest.json`, in it an image tagged [`IMAGE`], whose
/// configuration is there and for `wanted` where it says an architecture, and whose layers are all
/// there. Nothing is unpacked.
///
/// # Errors
/// [`Unfit`], which names the tar's source and the entry.
pub fn check<F: Borrow<File>>(
    verified: Verified<F>,
    wanted: Architecture,
) -> Result<Archive<F>, Unfit> {
    let length = verified.len();
    let looked = match verified.reader() {
        Ok(file) => look(file, length, wanted),
        Err(error) => Err(Reason::Unreadable(error)),
    };
    match looked {
        Ok(()) => Ok(Archive { verified }),
        Err(reason) => Err(Unfit::new(verified.source().clone(), reason)),
    }
}

/// The same for any tar of `length` bytes.
fn look<R: Read + Seek>(file: R, length: u64, wanted: Architecture) -> Result<(), Reason> {
    let mut content = Content::of(file, length)?;
    let json = content.read(manifest::MANIFEST, "every docker-archive")?;
    for image in manifest::agents(&json)? {
        let config = content.read(&image.config, manifest::MANIFEST)?;
        manifest::check_config(&image.config, &config, wanted)?;
        if let Some(missing) = image
            .layers
            .iter()
            .flatten()
            .find(|layer| content.get(layer).is_none())
        {
            return Err(Reason::Missing {
                entry: missing.clone(),
                wanted_by: manifest::MANIFEST,
            });
        }
    }
    Ok(())
}

impl<F: Borrow<File>> Archive<F> {
    /// The tar as it lies on the disk (Docker takes gzip, too) and its length in bytes: the body
    /// of `POST /images/load`. Its end comes only if the bytes are still those that were verified.
    ///
    /// # Errors
    /// As [`Verified::stream`].
    pub fn reader(&self) -> io::Result<(impl Read + '_, u64)> {
        Ok((self.verified.stream()?, self.verified.len()))
    }

    /// Who vouches for it.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        self.verified.provenance()
    }

    /// The tar that was looked into.
    #[must_use]
    pub fn verified(&self) -> &Verified<F> {
        &self.verified
    }

    /// As [`Verified::split`].
    ///
    /// # Errors
    /// As there.
    pub fn split(self) -> io::Result<(F, Archive)> {
        let (file, verified) = self.verified.split()?;
        Ok((file, Archive { verified }))
    }
}
