//! The loop around the agent's container: create, start, wait, and what its end asks for. The
//! decisions are in [`policy`] and [`backoff`]; here are the calls, and what to make of dockerd
//! being away.

pub mod backoff;
pub mod policy;

use std::time::{Duration, Instant};

use crate::docker::spec::ContainerSpec;
use crate::docker::{Docker, Lost};
use crate::error::{Context, Error, Exit, Result};
use crate::sys::signal::{Stop, Woken};
use policy::{Ending, Next, Policy};

/// The name of the agent's container.
pub const CONTAINER: &str = "ecs-agent";

/// What the agent has between the SIGTERM and the SIGKILL.
pub const GRACE: Duration = Duration::from_secs(10);

/// A wait that ends at once, each time, must not become a hot loop.
const BEFORE_WAITING_AGAIN: Duration = Duration::from_secs(1);

/// How the supervision ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The agent exited with 0.
    Done,
    /// The agent exited with 5: it can never work here.
    Terminal,
    /// SIGTERM or SIGINT came; the agent has been stopped.
    Stopped,
}

impl Outcome {
    /// How the process ends.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Outcome::Done | Outcome::Stopped => Exit::Success,
            Outcome::Terminal => Exit::AgentTerminal,
        }
    }
}

/// Runs the agent until it is done, can never work, or SIGTERM or SIGINT (`stop`, which `docker`
/// has to know as well) comes. `load_desired` loads the image that the agent asked for
/// into the dockerd that is there by then: it may be another one than at the start.
///
/// # Errors
/// If dockerd turns into one that may not be talked to (see [`Docker::connect`]), or the agent
/// cannot be stopped. All else is tried again.
pub fn run(
    docker: &Docker,
    spec: &ContainerSpec,
    stop: &Stop,
    load_desired: impl FnMut(&Docker) -> Result<()>,
) -> Result<Outcome> {
    run_with(docker, spec, load_desired, |pause| {
        match stop.sleep(pause).doing(|| "wait before the next start")? {
            Woken::Stopped => Err(Error::stopped()),
            _ => Ok(()),
        }
    })
}

/// [`run`] with another way to sleep, which fails with [`Error::stopped`] when it is to end.
///
/// # Errors
/// Those of [`run`].
pub fn run_with(
    docker: &Docker,
    spec: &ContainerSpec,
    load_desired: impl FnMut(&Docker) -> Result<()>,
    sleep: impl FnMut(Duration) -> Result<()>,
) -> Result<Outcome> {
    let mut supervisor = Supervisor {
        docker: docker.clone(),
        spec,
        policy: Policy::default(),
        load_desired,
        sleep,
    };
    match supervisor.supervise() {
        Err(e) if e.is_stopped() => {
            stop_agent(&supervisor.docker)?;
            Ok(Outcome::Stopped)
        }
        end => end,
    }
}

/// Stops the agent, with its grace. No signal interrupts this. An agent that does not run is
/// stopped.
///
/// # Errors
/// If dockerd does not do it, or is away and does not come back within seconds.
pub fn stop_agent(docker: &Docker) -> Result<()> {
    let docker = docker.without_stop();
    log::info!("stopping the agent");
    match docker.stop_container(CONTAINER, GRACE) {
        Err(e) if e.find::<Lost>().is_some() => {
            log::warn!("{e}");
            let docker = docker.reconnect_within(GRACE)?;
            docker.stop_container(CONTAINER, GRACE)?;
        }
        result => result?,
    }
    log::info!("the agent is stopped");
    Ok(())
}

struct Supervisor<'a, Load, Sleep> {
    docker: Docker,
    spec: &'a ContainerSpec,
    policy: Policy,
    load_desired: Load,
    sleep: Sleep,
}

impl<Load, Sleep> Supervisor<'_, Load, Sleep>
where
    Load: FnMut(&Docker) -> Result<()>,
    Sleep: FnMut(Duration) -> Result<()>,
{
    fn supervise(&mut self) -> Result<Outcome> {
        loop {
            let ending = self.one_run()?;
            match self.policy.after(ending, random()) {
                Next::Done => {
                    log::info!("the agent is done");
                    return Ok(Outcome::Done);
                }
                Next::Terminal => return Ok(Outcome::Terminal),
                Next::Upgrade(pause) => self.upgrade(pause)?,
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
        let id = match self.begin() {
            Ok(id) => id,
            Err(e) => return self.setback(e),
        };
        log::info!("the agent runs");
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

    /// Clears the name, creates, starts; the container's id.
    fn begin(&self) -> Result<String> {
        self.docker.remove_container(CONTAINER)?;
        let created = self.docker.create_container(CONTAINER, self.spec)?;
        for warning in &created.warnings {
            log::debug!("dockerd on the agent's container: {warning}");
        }
        // Not to be interrupted: a start that was asked for is seen through, so that the stop
        // that follows meets a container that runs and not one that is about to.
        self.docker.without_stop().start_container(&created.id)?;
        Ok(created.id)
    }

    /// After a wait that told nothing: how the container ended, or `None` if it still runs.
    fn look(&mut self, id: &str, error: Error) -> Result<Option<Ending>> {
        self.recover(error)?;
        let container = match self.docker.container(id) {
            Ok(container) => container,
            // Gone again: the next wait finds out.
            Err(e) if e.find::<Lost>().is_some() => return Ok(None),
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
        if error.is_stopped() {
            return Err(error);
        }
        if error.find::<Lost>().is_some() {
            log::warn!("{error}");
            self.docker = self.docker.reconnect()?;
        } else {
            log::error!("{error}");
        }
        Ok(())
    }

    fn upgrade(&mut self, pause: Duration) -> Result<()> {
        log::info!("the agent asks for another version");
        match (self.load_desired)(&self.docker) {
            Ok(()) => self.pause(pause),
            Err(e) if e.is_stopped() => Err(e),
            Err(e) => {
                log::error!("{e}");
                let pause = self.policy.load_failed(random());
                self.pause(pause)
            }
        }
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
            Err(e) if e.is_stopped() => return Err(e),
            // Some log drivers keep nothing; the next run must not wait for this.
            Err(e) => log::warn!("{e}"),
        }
        Ok(())
    }

    fn pause(&mut self, time: Duration) -> Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        log::info!("starting the agent again in {:.1} s", time.as_secs_f64());
        (self.sleep)(time)
    }
}

/// A number from 0 to 1. Without one from the kernel there is no jitter, and no harm.
fn random() -> f64 {
    let bits = crate::sys::random::random().unwrap_or(0);
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
