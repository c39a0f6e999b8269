//! The agent's image in Docker, from one of two sources: a verified tar or a registry.

mod registry;
mod tar;

use crate::config::{AgentSource, Config};
use crate::docker::Docker;
use crate::docker::images::ImageInfo;
use crate::error::Result;
use crate::image::Loaded;
use crate::sys::signal::Stop;
use registry::RegistryImageSource;
use tar::TarImageSource;

/// Where the agent's image comes from.
trait ImageSource {
    /// Makes sure that Docker has the image.
    fn ensure(&self, docker: &Docker) -> Result<()>;

    /// Goes back to the last image of this source, whatever Docker has.
    fn restore(&self, docker: &Docker) -> Result<()>;

    /// Loads or pulls the image again, whatever Docker has.
    fn reload(&self, docker: &Docker) -> Result<()>;
}

/// The agent's image, from the configured source.
pub struct AgentImage<'a> {
    tar: TarImageSource<'a>,
    registry: Option<RegistryImageSource<'a>>,
}

impl<'a> AgentImage<'a> {
    /// Reads the keyring and the image reference. Has no other effect.
    ///
    /// # Errors
    /// The keyring cannot be read, or the reference is invalid.
    pub fn new(config: &'a Config, stop: &'a Stop) -> Result<Self> {
        let registry = match config.source.agent {
            AgentSource::Tar => None,
            AgentSource::Registry => Some(RegistryImageSource::new(config, stop)?),
        };
        Ok(AgentImage {
            tar: TarImageSource::new(config, stop)?,
            registry,
        })
    }

    fn source(&self) -> &dyn ImageSource {
        match &self.registry {
            Some(registry) => registry,
            None => &self.tar,
        }
    }

    /// Makes sure that Docker has the image, for `pre-start`.
    ///
    /// # Errors
    /// No source has a trusted image, or dockerd failed.
    pub fn ensure(&self, docker: &Docker) -> Result<()> {
        self.source().ensure(docker)
    }

    /// Goes back to the last image of the source, after failed updates.
    ///
    /// # Errors
    /// As [`AgentImage::ensure`].
    pub fn restore(&self, docker: &Docker) -> Result<()> {
        self.source().restore(docker)
    }

    /// Loads or pulls the image again, for `reload-cache`.
    ///
    /// # Errors
    /// As [`AgentImage::ensure`].
    pub fn reload(&self, docker: &Docker) -> Result<()> {
        self.source().reload(docker)
    }

    /// Loads the tar that the agent downloaded to update itself (its exit code 42), whatever the
    /// source.
    ///
    /// # Errors
    /// The tar is missing or not trusted, or dockerd failed.
    pub fn update(&self, docker: &Docker) -> Result<()> {
        self.tar.update(docker)
    }
}

/// Removes the image that had the agent's name before, unless it is the same, has another name or
/// a container uses it. The supervisor removes it when it replaces that container.
fn remove_old(docker: &Docker, before: Option<ImageInfo>, loaded: &Loaded) -> Result<()> {
    if let Some(old) = before.filter(|old| old.id != loaded.id()) {
        match docker.remove_dangling_image(&old.id) {
            Ok(true) => log::info!("removed the old image {}", old.id),
            Ok(false) => {}
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => log::warn!("{error}"),
        }
    }
    Ok(())
}
