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
pub trait ImageSource {
    /// Makes sure that Docker has the image, for `pre-start`.
    ///
    /// # Errors
    /// No source has a trusted image, or dockerd failed.
    fn ensure(&self, docker: &Docker) -> Result<()>;

    /// Goes back to the last image of this source, after failed updates.
    ///
    /// # Errors
    /// As [`ImageSource::ensure`].
    fn restore(&self, docker: &Docker) -> Result<()>;

    /// Loads or pulls the image again, for `reload-cache`.
    ///
    /// # Errors
    /// As [`ImageSource::ensure`].
    fn reload(&self, docker: &Docker) -> Result<()>;

    /// Loads the tar that the agent downloaded to update itself (its exit code 42).
    ///
    /// # Errors
    /// The tar is missing or not trusted, or dockerd failed.
    fn update(&self, docker: &Docker) -> Result<()>;
}

/// The configured source. Reads the keyring and the image reference; has no other effect.
///
/// # Errors
/// The keyring cannot be read, or the reference is invalid.
pub fn source<'a>(config: &'a Config, stop: &'a Stop) -> Result<Box<dyn ImageSource + 'a>> {
    let tar = TarImageSource::new(config, stop)?;
    Ok(match config.source.agent {
        AgentSource::Tar => Box::new(tar),
        AgentSource::Registry => Box::new(RegistryImageSource::new(config, stop, tar)?),
    })
}

/// Removes the image that had the agent's name before. Keeps it if it is the loaded one, if it has
/// another name, or if a container uses it; the supervisor removes it after replacing the
/// container.
fn remove_old(docker: &Docker, before: Option<ImageInfo>, loaded: &Loaded) -> Result<()> {
    if let Some(old) = before.filter(|old| old.id != loaded.id())
        && let Err(error) = docker.remove_dangling_image(&old.id)
    {
        if error.is_interrupted() {
            return Err(error);
        }
        log::warn!("{error}");
    }
    Ok(())
}
