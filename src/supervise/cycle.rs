//! The loop: run after run, each with its end and what that asks for.

use std::time::{Duration, Instant};

use super::begin::begin;
use super::notify::Notify;
use super::policy::{self, Ending, Next, Policy};
use super::{CONTAINER, Load, Outcome};
use crate::docker::spec::ContainerSpec;
use crate::docker::{Disconnected, Docker};
use crate::error::{Error, Result};

/// A wait that ends at once, each time, must not become a hot loop.
const BEFORE_WAITING_AGAIN: Duration = Duration::from_secs(1);

/// What the loop needs and remembers.
pub(super) struct Supervisor<'a, L, S> {
    docker: Docker,
    spec: &'a ContainerSpec,
    notify: &'a Notify,
    policy: Policy,
    load: L,
    sleep: S,
}

impl<'a, L, S> Supervisor<'a, L, S>
where
    L: FnMut(&Docker, Load) -> Result<()>,
    S: FnMut(Duration) -> Result<()>,
{
    pub(super) fn new(
        docker: &Docker,
        spec: &'a ContainerSpec,
        notify: &'a Notify,
        load: L,
        sleep: S,
    ) -> Self {
        Supervisor {
            docker: docker.clone(),
            spec,
            notify,
            policy: Policy::default(),
            load,
            sleep,
        }
    }

    /// The dockerd that there is by now.
    pub(super) fn docker(&self) -> &Docker {
        &self.docker
    }

    pub(super) fn supervise(&mut self) -> Result<Outcome> {
        loop {
            let ending = self.one_run()?;
            let mut next = self.policy.after(ending, random());
            if let Next::Upgrade(_) = next {
                next = self.upgrade(next)?;
            }
            match next {
                Next::Done => {
                    log::info!("the agent is done");
                    return Ok(Outcome::Done);
                }
                Next::Terminal => return Ok(Outcome::Terminal),
                Next::Upgrade(pause) => self.pause(pause)?,
                Next::FallBack(pause) => self.fall_back(pause)?,
                Next::Again { pause, show_log } => {
                    if show_log {
                        self.show_log()?;
                    }
                    self.pause(pause)?;
                }
            }
        }
    }

    /// From no container to the end of one.
    fn one_run(&mut self) -> Result<Ending> {
        let id = match begin(&self.docker, self.spec, &mut self.load) {
            Ok(id) => id,
            Err(e) => return self.setback(e),
        };
        log::info!("the agent runs");
        self.notify.ready();
        let started = Instant::now();
        loop {
            let code = match self.docker.wait_container(&id) {
                Ok(code) => code,
                Err(e) => {
                    if let Some(ending) = self.look(&id, e)? {
                        return Ok(ending);
                    }
                    (self.sleep)(BEFORE_WAITING_AGAIN)?;
                    continue;
                }
            };
            // A dockerd on its way down stops its containers, and some versions still tell how
            // they ended before they hang up.
            if policy::like_a_stop(code)
                && let Err(e) = self.docker.ping()
            {
                self.recover(e)?;
                log::info!("the agent exited with {code}, as dockerd went down");
                return Ok(Ending::ExitedWithDaemon { code });
            }
            log::info!("the agent exited with {code}");
            let ran = started.elapsed();
            return Ok(Ending::Exited { code, ran });
        }
    }

    /// After a wait that told nothing: how the container ended, or `None` if it still runs.
    fn look(&mut self, id: &str, error: Error) -> Result<Option<Ending>> {
        self.recover(error)?;
        let container = match self.docker.container(id) {
            Ok(container) => container,
            // Gone again: the next wait finds out.
            Err(e) if e.find::<Disconnected>().is_some() => return Ok(None),
            Err(e) => return self.setback(e).map(Some),
        };
        let Some(container) = container else {
            log::warn!("the agent's container is gone");
            return Ok(Some(Ending::Vanished));
        };
        if container.state.running {
            log::info!("the agent still runs");
            return Ok(None);
        }
        let code = container.state.exit_code;
        log::info!("the agent exited with {code} while dockerd was away");
        Ok(Some(Ending::ExitedWithDaemon { code }))
    }

    /// A run that failed before it began.
    fn setback(&mut self, error: Error) -> Result<Ending> {
        self.recover(error)?;
        Ok(Ending::Failed)
    }

    /// Makes of an error what can be made: the order to stop goes on up, a dockerd that is away
    /// is waited for, anything else is told and tried again.
    fn recover(&mut self, error: Error) -> Result<()> {
        if error.is_interrupted() {
            return Err(error);
        }
        if error.find::<Disconnected>().is_some() {
            log::warn!("{error}");
            self.docker = self.docker.reconnect()?;
        } else {
            log::error!("{error}");
        }
        Ok(())
    }

    /// Loads what the agent asks for; what comes next: `next`, if it could be loaded.
    fn upgrade(&mut self, next: Next) -> Result<Next> {
        log::info!("the agent asks for another version");
        match (self.load)(&self.docker, Load::Desired) {
            Ok(()) => Ok(next),
            Err(e) => {
                let lost = e.find::<Disconnected>().is_some();
                self.recover(e)?;
                Ok(if lost {
                    // That dockerd went away says nothing about the image.
                    self.policy.after(Ending::Failed, random())
                } else {
                    self.policy.load_failed(random())
                })
            }
        }
    }

    fn fall_back(&mut self, pause: Duration) -> Result<()> {
        log::error!(
            "the agent's last two upgrades were no good: going back to the image in the cache"
        );
        if let Err(e) = (self.load)(&self.docker, Load::Cached) {
            self.recover(e)?;
        }
        self.pause(pause)
    }

    fn show_log(&mut self) -> Result<()> {
        /// As many as the reference shows.
        const LINES: u32 = 200;
        match self.docker.container_logs(CONTAINER, LINES) {
            Ok(log) => {
                for line in String::from_utf8_lossy(&log).lines() {
                    log::info!("agent: {line}");
                }
            }
            Err(e) if e.is_interrupted() => return Err(e),
            // Some log drivers keep nothing; the next run must not wait for this.
            Err(e) => log::warn!("{e}"),
        }
        Ok(())
    }

    fn pause(&mut self, time: Duration) -> Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        let plan = format!("starting the agent again in {:.1} s", time.as_secs_f64());
        log::info!("{plan}");
        self.notify.status(&plan);
        (self.sleep)(time)
    }
}

/// A number from 0 to 1. Without one from the kernel there is no jitter, and no harm.
fn random() -> f64 {
    let bits = crate::sys::random::random().unwrap_or(0);
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
