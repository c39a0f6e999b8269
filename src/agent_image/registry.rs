//! The agent's image from a registry: dockerd pulls it.

use std::fs;
use std::time::Instant;

use super::tar::TarImageSource;
use super::{ImageSource, remove_old};
use crate::cache::State;
use crate::config::Config;
use crate::docker::credentials::{self, Credentials};
use crate::docker::{ApiError, Docker};
use crate::error::{Context, Error, Kind, Result};
use crate::fetch::ProgressLog;
use crate::fs::if_exists;
use crate::image::registry::{self, Pulled};
use crate::image::{IMAGE, PullRequest};
use crate::retry::{self, Retry, RetryPolicy};
use crate::sys::signal::Stop;
use crate::types::Architecture;

/// The agent's image from a registry.
pub(super) struct RegistryImageSource<'a> {
    config: &'a Config,
    stop: &'a Stop,
    request: PullRequest,
    /// Loads the agent's updates. The state of its cache must not claim that Docker has the cached
    /// tar.
    tar: TarImageSource<'a>,
}

impl ImageSource for RegistryImageSource<'_> {
    /// Pulls only if Docker does not have the image. If the reference has a digest, the current
    /// image must have that digest. If it has a tag, the current image may also be an update that
    /// the agent installed; an image from a tar or from another reference is replaced.
    fn ensure(&self, docker: &Docker) -> Result<()> {
        let current = docker.image(IMAGE)?;
        let is_ready = match &current {
            Some(image) if self.request.has_digest_of(image) => true,
            Some(image)
                if self.request.tag_permission().is_some()
                    // The cached state means that Docker has the tar's image.
                    && self.tar.cache.state() != State::Cached =>
            {
                registry::find(docker, &self.request)?
                    .is_some_and(|pulled| pulled.accepts_current(image))
            }
            _ => false,
        };
        match current {
            Some(image) if is_ready => {
                log::info!("Docker has the agent's image {}", image.id);
                Ok(())
            }
            _ => self.restore(docker),
        }
    }

    fn restore(&self, docker: &Docker) -> Result<()> {
        match registry::find(docker, &self.request)? {
            Some(pulled) => self.tag(docker, pulled),
            None => self.reload(docker),
        }
    }

    fn reload(&self, docker: &Docker) -> Result<()> {
        let name = self.request.name();
        if let Some(permission) = self.request.tag_permission() {
            log::warn!(
                "{name} has no digest: starting the image that the registry has under this name, \
                 as ECS_INIT_ALLOW_UNSIGNED allows ({})",
                permission.origin()
            );
        }
        let native = Architecture::native().name();
        self.pull(docker)
            .context(|| format!("pull {name} for linux/{native}"))?;
        let pulled = registry::find(docker, &self.request)?.ok_or_else(|| {
            let message = format!("dockerd pulled {name} but does not have it");
            Error::unavailable(message)
        })?;
        self.tag(docker, pulled)
    }

    fn update(&self, docker: &Docker) -> Result<()> {
        self.tar.update(docker)
    }
}

impl<'a> RegistryImageSource<'a> {
    pub(super) fn new(config: &'a Config, stop: &'a Stop, tar: TarImageSource<'a>) -> Result<Self> {
        Ok(RegistryImageSource {
            config,
            stop,
            request: PullRequest::from_config(config)?,
            tar,
        })
    }

    fn pull(&self, docker: &Docker) -> Result<()> {
        let (repository, selector) = (
            self.request.reference().repository(),
            self.request.selector(),
        );
        let (auth, helper) = match self.credentials()? {
            Credentials::Stored(auth) => (Some(auth), None),
            Credentials::Helper(name) => (None, Some(name)),
            Credentials::None => (None, None),
        };
        log::info!("pulling {repository} {selector}");
        let attempt = |retry: &mut Retry| {
            let mut log = ProgressLog::new(0, Instant::now());
            let mut max_received = 0;
            let mut progress = |received, total| {
                let now = Instant::now();
                if received > max_received {
                    max_received = received;
                    retry.progressed(now);
                }
                log.update(received, Some(total), now);
            };
            docker
                .pull_image(repository, selector, auth.as_ref(), &mut progress)
                .map_err(|error| match error.find::<ApiError>() {
                    // The supervisor waits for dockerd, not this loop.
                    None if error.kind() == Kind::Transient => error.with_kind(Kind::Unavailable),
                    _ => error,
                })
        };
        let policy = RetryPolicy::network(self.config.source.retry_time);
        policy
            .run(self.stop, attempt, retry::log_retry)
            .map_err(|error| {
                let message = error.find::<ApiError>().map(|e| e.message.as_str());
                match helper {
                    Some(helper) if message.is_some_and(wants_credentials) => {
                        Error::with_source(error.kind(), helper_advice(&helper), error)
                    }
                    _ => error,
                }
            })
    }

    /// The registry's credentials in Docker's configuration.
    fn credentials(&self) -> Result<Credentials> {
        let path = self.config.source.docker_config.join(credentials::FILE);
        let path = self.config.root.at(path);
        let context = || format!("read {}", path.display());
        let Some(text) = if_exists(fs::read(&path)).context(context)? else {
            return Ok(Credentials::None);
        };
        credentials::find(&text, self.request.reference().host()).context(context)
    }

    /// Tags the image with the agent's name. Removes the old image's names in this repository,
    /// because Docker does not remove an image that has a name.
    fn tag(&self, docker: &Docker, pulled: Pulled) -> Result<()> {
        let before = docker.image(IMAGE)?.filter(|old| old.id != pulled.id());
        for name in before
            .iter()
            .flat_map(|i| i.repo_tags.iter().chain(&i.repo_digests))
        {
            if name != IMAGE && self.request.reference().is_repository_of(name) {
                docker.untag_image(name)?;
            }
        }
        // Before the image is tagged. The state `Cached` means that the tagged image is that of the
        // cached tar: if the source is changed back to a tar, the image from the registry would be
        // started without a signature.
        if self.tar.cache.state() == State::Cached {
            self.tar.cache.set_state(State::ReloadNeeded)?;
        }
        let loaded = registry::tag(docker, pulled)?;
        log::info!("tagged {} as {IMAGE}: {}", self.request.name(), loaded.id());
        remove_old(docker, before, &loaded)
    }
}

/// Whether dockerd's message means that the pull needs credentials: an error of the registry
/// (distribution-spec, "Error Codes"), or dockerd's own if it has no credentials.
fn wants_credentials(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["unauthorized", "denied", "no basic auth", "authentication"]
        .iter()
        .any(|words| message.contains(words))
}

fn helper_advice(helper: &str) -> String {
    format!(
        "no credentials: ecs-init does not run docker-credential-{helper}; store them under auths \
         in Docker's config.json (docker login does if no helper is configured)"
    )
}

#[cfg(test)]
mod tests {
    use super::wants_credentials;

    #[test]
    fn messages_that_need_credentials() {
        for message in [
            "Head \"https://r/v2/a/manifests/b\": no basic auth credentials",
            "pull access denied for r/a, repository does not exist or may require 'docker login'",
            "unauthorized: authentication required",
        ] {
            assert!(wants_credentials(message), "{message}");
        }
        for message in ["manifest unknown", "no space left on device"] {
            assert!(!wants_credentials(message), "{message}");
        }
    }
}
