//! The agent's image from a registry: what Docker has already, or what dockerd pulls.

use std::fs;
use std::io;
use std::time::Instant;

use super::remove_old;
use crate::cache::Cache;
use crate::cache::State;
use crate::config::Config;
use crate::docker::credentials::{self, Credentials};
use crate::docker::{ApiError, Docker};
use crate::error::{Context, Error, Kind, Result};
use crate::fetch::Reporter;
use crate::fetch::retry::{Budget, Patience};
use crate::image::registry::{self, PullRequest, Pulled};
use crate::image::{self, IMAGE};
use crate::sys::random::random;
use crate::sys::signal::{Stop, WaitResult};
use crate::types::Architecture;

/// What it takes to bring the image from a registry to Docker.
pub struct Registry<'a> {
    config: &'a Config,
    stop: &'a Stop,
    request: PullRequest,
    /// Of the other source, the tar.
    cache: Cache,
}

impl<'a> Registry<'a> {
    /// Reads the order; nothing else is touched yet.
    pub fn new(config: &'a Config, stop: &'a Stop) -> Result<Self> {
        let request = PullRequest::from_config(config)?;
        Ok(Registry {
            config,
            stop,
            request,
            cache: Cache::new(&config.root),
        })
    }

    /// Sees to it that Docker has the agent's image; the registry is asked only for what is not
    /// there. A digest is what runs, whatever ran before. By a tag, an update that the agent made
    /// of itself stays; an image of the tar's, or of another order, does not.
    pub fn ready(&self, docker: &Docker) -> Result<()> {
        let current = docker.image(IMAGE)?;
        let is_ready = match &current {
            Some(image) if self.request.has_digest_of(image) => true,
            // By its state, the cache says that Docker has the tar's image.
            Some(image)
                if self.request.tag_permission().is_some()
                    && self.cache.state() != State::Cached =>
            {
                registry::find(docker, &self.request)?
                    .is_some_and(|pulled| pulled.is_or_was_updated_to(image))
            }
            _ => false,
        };
        match current {
            Some(image) if is_ready => {
                log::info!("the agent's image is in Docker: {}", image.id);
                Ok(())
            }
            _ => self.restore(docker),
        }
    }

    /// What was pulled before, whatever has the agent's name now; pulled anew if it is gone.
    pub fn restore(&self, docker: &Docker) -> Result<()> {
        match registry::find(docker, &self.request)? {
            Some(pulled) => self.adopt(docker, pulled),
            None => self.reload(docker),
        }
    }

    /// Pulls, whatever Docker has.
    pub fn reload(&self, docker: &Docker) -> Result<()> {
        let name = self.request.name();
        if let Some(permission) = self.request.tag_permission() {
            log::warn!(
                "{name} has no digest: whatever the registry has by that name is started, as {} \
                 allows (ECS_INIT_ALLOW_UNSIGNED)",
                permission.origin()
            );
        }
        let here = Architecture::here().name();
        self.pull(docker)
            .context(|| format!("pull {name} for linux/{here}"))?;
        let pulled = registry::find(docker, &self.request)?.ok_or_else(|| {
            Error::new(
                Kind::InvalidInput,
                format!("dockerd pulled {name} and does not have it"),
            )
        })?;
        self.adopt(docker, pulled)
    }

    /// As often as it takes, while it fails in passing.
    fn pull(&self, docker: &Docker) -> Result<()> {
        let (repository, which) = (
            self.request.reference().repository(),
            self.request.selector(),
        );
        let (auth, helper) = match self.credentials()? {
            Credentials::Stored(auth) => (Some(auth), None),
            Credentials::Helper(name) => (None, Some(name)),
            Credentials::None => (None, None),
        };
        log::info!("pulling {repository} {which}");
        let patience = Patience::new(self.config.source.retry_time);
        let mut budget = Budget::new(patience, Instant::now());
        loop {
            let mut reporter = Reporter::new(0, Instant::now());
            let mut most = 0;
            let mut progress = |got, total| {
                let now = Instant::now();
                if got > most {
                    most = got;
                    budget.progressed(now);
                }
                reporter.at(got, Some(total), now);
            };
            let pulled = docker.pull_image(repository, which, auth.as_ref(), &mut progress);
            drop(reporter);
            let Err(error) = pulled else {
                return Ok(());
            };
            let said = error.find::<ApiError>().map(|e| e.message.as_str());
            // Without chance the pauses are only less spread.
            let pause = said
                .filter(|_| error.kind() == Kind::Transient)
                .and_then(|_| budget.pause(Instant::now(), random().unwrap_or(0)));
            let Some(pause) = pause else {
                return Err(match helper {
                    Some(helper) if said.is_some_and(wants_credentials) => {
                        Error::with_source(Kind::InvalidInput, helped(&helper), error)
                    }
                    _ => error,
                });
            };
            log::warn!(
                "{repository}: {error}; again in {:.1} s",
                pause.as_secs_f32()
            );
            let woken = self.stop.sleep(pause);
            if woken.context(|| "wait before the next pull")? == WaitResult::Interrupted {
                return Err(Error::interrupted());
            }
        }
    }

    /// Those of Docker's own configuration, if it is there.
    fn credentials(&self) -> Result<Credentials> {
        let path = self.config.source.docker_config.join(credentials::FILE);
        let path = self.config.root.at(path);
        let text = match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Credentials::None),
            text => text.context(|| format!("read {}", path.display()))?,
        };
        credentials::find(&text, self.request.reference().host())
            .context(|| format!("read {}", path.display()))
    }

    /// Gives it the agent's name. The names that the image before it has in this repository go:
    /// they would keep it for ever.
    fn adopt(&self, docker: &Docker, pulled: Pulled) -> Result<()> {
        let before = docker.image(IMAGE)?.filter(|old| old.id != pulled.id());
        for name in before
            .iter()
            .flat_map(|i| i.repo_tags.iter().chain(&i.repo_digests))
        {
            if name != IMAGE && self.request.reference().is_repository_of(name) {
                docker.untag_image(name)?;
            }
        }
        // Before the name moves: by its state the tar's source would take the name for the tar's
        // image when it is the source again, and start what no signature vouches for.
        if self.cache.state() == State::Cached {
            self.cache.set_state(State::ReloadNeeded)?;
        }
        let loaded = registry::tag(docker, pulled)?;
        log::info!(
            "{} is {}: {}",
            image::IMAGE,
            self.request.name(),
            loaded.id()
        );
        remove_old(docker, before, &loaded)
    }
}

/// Whether a pull that failed with these words lacked credentials (distribution-spec, "Error
/// Codes"; dockerd's own words where it has none to send).
fn wants_credentials(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["unauthorized", "denied", "no basic auth", "authentication"]
        .iter()
        .any(|words| said.contains(words))
}

fn helped(helper: &str) -> String {
    format!(
        "without credentials, as they are docker-credential-{helper}'s to tell and ecs-init runs \
         no programs: put them under auths in Docker's config.json (docker login does where no \
         helper is set)"
    )
}

#[cfg(test)]
mod tests {
    use super::wants_credentials;

    #[test]
    fn only_some_failures_are_for_want_of_credentials() {
        for said in [
            "Head \"https://r/v2/a/manifests/b\": no basic auth credentials",
            "pull access denied for r/a, repository does not exist or may require 'docker login'",
            "unauthorized: authentication required",
        ] {
            assert!(wants_credentials(said), "{said}");
        }
        for said in ["manifest unknown", "no space left on device"] {
            assert!(!wants_credentials(said), "{said}");
        }
    }
}
