//! The agent's image from a tar: the cached tar, or that of the first source that has one. Each tar
//! is verified before it is stored or loaded.

use std::borrow::Borrow;
use std::fs::File;
use std::time::Duration;

use super::{ImageSource, remove_old};
use crate::cache::{Cache, CachedTar, State};
use crate::config::{AgentSource, Config};
use crate::docker::Docker;
use crate::error::{Error, Result};
use crate::fetch::{FetchOptions, Found, Search, imds};
use crate::image::{self, Archive, IMAGE};
use crate::retry::RetryPolicy;
use crate::sys::signal::Stop;
use crate::types::{Architecture, UnverifiedTar};
use crate::verify::TrustPolicy;

/// The agent's image from a tar.
pub(super) struct TarImageSource<'a> {
    config: &'a Config,
    trust: TrustPolicy,
    pub(super) cache: Cache,
    stop: &'a Stop,
}

impl ImageSource for TarImageSource<'_> {
    fn ensure(&self, docker: &Docker) -> Result<()> {
        match self.cache.state() {
            State::Uncached => self.fetch(docker),
            State::ReloadNeeded => self.load_cached(docker),
            State::Cached => match docker.image(IMAGE)? {
                Some(image) => {
                    log::info!("Docker has the agent's image {}", image.id);
                    Ok(())
                }
                None => self.load_cached(docker),
            },
        }
    }

    fn restore(&self, docker: &Docker) -> Result<()> {
        self.reload(docker)
    }

    fn reload(&self, docker: &Docker) -> Result<()> {
        match self.cache.state() {
            State::Uncached => self.fetch(docker),
            State::Cached | State::ReloadNeeded => self.load_cached(docker),
        }
    }

    fn update(&self, docker: &Docker) -> Result<()> {
        let archive = self.verify(self.cache.open_update()?)?;
        self.load(docker, &archive)
    }
}

impl<'a> TarImageSource<'a> {
    pub(super) fn new(config: &'a Config, stop: &'a Stop) -> Result<Self> {
        Ok(TarImageSource {
            config,
            trust: TrustPolicy::from_config(config)?,
            cache: Cache::new(&config.root),
            stop,
        })
    }

    /// Loads the cached tar. If it cannot be used, another one is downloaded.
    fn load_cached(&self, docker: &Docker) -> Result<()> {
        match self.open_cached() {
            Ok(archive) => self.load(docker, &archive),
            Err(error) if error.is_interrupted() => Err(error),
            Err(unusable) => {
                log::warn!("{unusable}; downloading another tar");
                self.fetch(docker)
                    .map_err(|e| Error::with_source(e.kind(), unusable.to_string(), e))
            }
        }
    }

    /// Verifies the cached tar. Amazon's package installs it without a signature; the signature of
    /// its version is then downloaded and stored.
    fn open_cached(&self) -> Result<Archive<CachedTar>> {
        let tar = self.cache.open()?;
        let unsigned = tar.signature().is_none();
        let Some(version) = tar.file().version().filter(|_| unsigned) else {
            return self.verify(tar);
        };
        let mut options = FetchOptions::new(self.config);
        if *self.config.source.allow_unsigned {
            // The signature is optional: no retries.
            options.retry = RetryPolicy::network(Duration::ZERO);
        }
        match self.search(options).signature(&version) {
            Ok(signature) => {
                let archive = self.verify(tar.with_signature(signature))?;
                if let Err(error) = self.cache.store_signature(archive.verified()) {
                    log::warn!("{error}; the next start downloads the signature again");
                }
                Ok(archive)
            }
            Err(error) if error.is_interrupted() => Err(error),
            Err(error) => {
                log::warn!("{error}");
                self.verify(tar)
            }
        }
    }

    /// Loads the tar of the first source that has one, and stores it in the cache.
    fn fetch(&self, docker: &Docker) -> Result<()> {
        let options = FetchOptions::new(self.config);
        match self.search(options).find_tar(self.cache.dir())? {
            Found::Local(tar) => {
                let archive = self.verify(tar)?;
                self.cache.link(archive.verified())?;
                self.load(docker, &archive)
            }
            Found::Downloaded(tar) => {
                let archive = self.verify(tar)?;
                self.cache.store(archive.verified())?;
                self.load(docker, &archive)
            }
        }
    }

    fn search(&self, options: FetchOptions) -> Search<'_, impl FnOnce() -> Result<String>> {
        let region = || imds::region(self.config, self.stop);
        Search::new(
            self.config,
            Architecture::native(),
            options,
            self.stop,
            region,
        )
    }

    /// Verifies a tar and checks that it is the agent's image for this host.
    fn verify<F: Borrow<File>>(&self, tar: UnverifiedTar<F>) -> Result<Archive<F>> {
        image::check(self.trust.verify(tar)?, Architecture::native())
    }

    fn load<F: Borrow<File>>(&self, docker: &Docker, archive: &Archive<F>) -> Result<()> {
        let before = docker.image(IMAGE)?;
        let loaded = image::load(docker, archive)?;
        log::info!("loaded {IMAGE}: {}", loaded.id());
        // With a registry as the source, the state stays: the loaded update is not the cached tar.
        if self.config.source.agent == AgentSource::Tar {
            self.cache.set_state(State::Cached)?;
        }
        remove_old(docker, before, &loaded)
    }
}
