//! The agent's image in Docker: from the cache, from where it is kept, from a registry, or the one
//! that the agent asked for; verified on the way, whichever it is.

use std::borrow::Borrow;
use std::fs::File;
use std::time::Duration;

use crate::cache::{Cache, CachedTar, State};
use crate::config::{AgentSource, Config};
use crate::docker::Docker;
use crate::docker::images::ImageInfo;
use crate::error::{Error, Kind, Result};
use crate::fetch::retry::Patience;
use crate::fetch::search::Manners;
use crate::fetch::{Found, Search, imds};
use crate::image::{self, Archive, Loaded};
use crate::sys::signal::Stop;
use crate::types::Architecture;
use crate::types::UnverifiedTar;
use crate::verify::TrustPolicy;

mod registry;

use registry::Registry;

/// All that it takes to bring an image to Docker.
pub struct AgentImage<'a> {
    config: &'a Config,
    trust: TrustPolicy,
    cache: Cache,
    /// Where the image comes from a registry. The cache's tar is then not looked at, but its state
    /// must not go on saying that it is what Docker has: [`Registry`] sees to that.
    registry: Option<Registry<'a>>,
    stop: &'a Stop,
}

impl<'a> AgentImage<'a> {
    /// Reads the keyring; nothing else is touched yet.
    pub fn new(config: &'a Config, stop: &'a Stop) -> Result<Self> {
        let registry = match config.source.agent {
            AgentSource::Tar => None,
            AgentSource::Registry => Some(Registry::new(config, stop)?),
        };
        Ok(AgentImage {
            config,
            trust: TrustPolicy::from_config(config)?,
            cache: Cache::new(&config.root),
            registry,
            stop,
        })
    }

    /// What the cache's state asks for: nothing, the cached tar, or a download. Or what a registry
    /// has, if Docker has it not.
    pub fn ready(&self, docker: &Docker) -> Result<()> {
        if let Some(registry) = &self.registry {
            return registry.ready(docker);
        }
        match self.cache.state() {
            State::Uncached => self.fetch(docker),
            State::ReloadNeeded => self.cached(docker),
            State::Cached => match docker.image(image::IMAGE)? {
                Some(image) => {
                    log::info!("the agent's image is in Docker: {}", image.id);
                    Ok(())
                }
                None => self.cached(docker),
            },
        }
    }

    /// The last image that is known to be good: the cached tar's, or what was pulled.
    pub fn restore(&self, docker: &Docker) -> Result<()> {
        match &self.registry {
            Some(registry) => registry.restore(docker),
            None => self.reload(docker),
        }
    }

    /// The cached tar, or what the registry has, whatever Docker has.
    pub fn reload(&self, docker: &Docker) -> Result<()> {
        if let Some(registry) = &self.registry {
            return registry.reload(docker);
        }
        match self.cache.state() {
            State::Uncached => self.fetch(docker),
            State::Cached | State::ReloadNeeded => self.cached(docker),
        }
    }

    /// The tar that the agent fetched and asked for with exit 42.
    pub fn desired(&self, docker: &Docker) -> Result<()> {
        let archive = self.verify(self.cache.open_update()?)?;
        self.load(docker, &archive)
    }

    /// The cached tar; where that one will not do, a new one.
    fn cached(&self, docker: &Docker) -> Result<()> {
        match self.open_cached() {
            Ok(archive) => self.load(docker, &archive),
            Err(error) if error.is_interrupted() => Err(error),
            Err(refusal) => {
                log::warn!("{refusal}; fetching another");
                self.fetch(docker).map_err(|error| {
                    Error::with_source(Kind::InvalidInput, refusal.to_string(), error)
                })
            }
        }
    }

    /// A tar that Amazon's package put there has no signature beside it: its version's is fetched.
    fn open_cached(&self) -> Result<Archive<CachedTar>> {
        let tar = self.cache.open()?;
        let unsigned = tar.signature().is_none();
        let Some(version) = tar.file().version().filter(|_| unsigned) else {
            return self.verify(tar);
        };
        // Where the user allows to do without, nobody is to wait long for it.
        let mut manners = Manners::new(self.config);
        if *self.config.source.allow_unsigned {
            manners.patience = Patience::new(Duration::ZERO);
        }
        match self.search(manners).signature(&version) {
            Ok(signature) => {
                let archive = self.verify(tar.with_signature(signature))?;
                if let Err(error) = self.cache.store_signature(archive.verified()) {
                    log::warn!("{error}: the next start downloads the signature again");
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

    /// The first source that has a tar; it must be a good one.
    fn fetch(&self, docker: &Docker) -> Result<()> {
        let manners = Manners::new(self.config);
        match self.search(manners).next(self.cache.dir())? {
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

    fn search(&self, manners: Manners) -> Search<'_, impl FnOnce() -> Result<String>> {
        let region = || imds::region(self.config, self.stop);
        let here = Architecture::here();
        Search::new(self.config, here, manners, self.stop, region)
    }

    /// Verifies a tar, and checks that it is the agent's image.
    fn verify<F: Borrow<File>>(&self, tar: UnverifiedTar<F>) -> Result<Archive<F>> {
        image::check(self.trust.verify(tar)?, Architecture::here())
    }

    /// Into Docker. The image that had the name before is removed, unless it has another or a
    /// container is made of it: the supervisor removes that one when it replaces the container.
    fn load<F: Borrow<File>>(&self, docker: &Docker, archive: &Archive<F>) -> Result<()> {
        let before = docker.image(image::IMAGE)?;
        let loaded = image::load(docker, archive)?;
        log::info!("loaded {} as {}", image::IMAGE, loaded.id());
        if self.registry.is_none() {
            self.cache.set_state(State::Cached)?;
        }
        remove_old(docker, before, &loaded)
    }
}

/// Removes the image that had the name before, unless it is the same, has another name or a
/// container is made of it.
pub(super) fn remove_old(
    docker: &Docker,
    before: Option<ImageInfo>,
    loaded: &Loaded,
) -> Result<()> {
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
