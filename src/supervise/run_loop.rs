//! The loop: run the agent, wait for its exit, do what the policy decides.

use std::time::{Duration, Instant};

use super::ensure_running::ensure_running;
use super::notify::Notify;
use super::policy::{self, Action, AgentExit, Policy};
use super::{CONTAINER, ImageToLoad, Outcome};
use crate::docker::spec::ContainerSpec;
use crate::docker::{Disconnected, Docker};
use crate::error::{Error, Result};
use crate::retry::random_fraction;

/// The pause before another wait after a failed one, so that the loop does not spin.
const PAUSE_BEFORE_WAIT: Duration = Duration::from_secs(1);

/// How many lines of the agent's log are shown after exit code 2: as many as amazon-ecs-init shows.
const LOG_LINES: u32 = 200;

/// The loop and its state.
pub(super) struct Supervisor<'a, L, S> {
    /// The current connection to dockerd.
    pub docker: Docker,
    pub spec: &'a ContainerSpec,
    pub notify: &'a Notify,
    pub policy: Policy,
    pub load: L,
    pub sleep: S,
}

impl<L, S> Supervisor<'_, L, S>
where
    L: FnMut(&Docker, ImageToLoad) -> Result<()>,
    S: FnMut(Duration) -> Result<()>,
{
    pub(super) fn run_loop(&mut self) -> Result<Outcome> {
        loop {
            let exit = self.run_once()?;
            let mut action = self.policy.after(exit, random_fraction());
            if let Action::Update(_) = action {
                action = self.load_update(action)?;
            }
            match action {
                Action::Done => {
                    log::info!("the agent exited successfully: not restarting it");
                    return Ok(Outcome::Done);
                }
                Action::Terminal => return Ok(Outcome::Terminal),
                Action::Update(pause) => self.pause(pause)?,
                Action::FallBack(pause) => self.fall_back(pause)?,
                Action::Restart { pause, show_log } => {
                    if show_log {
                        self.show_log()?;
                    }
                    self.pause(pause)?;
                }
            }
        }
    }

    /// Makes sure that the agent runs and waits until it exits.
    fn run_once(&mut self) -> Result<AgentExit> {
        let id = match ensure_running(&self.docker, self.spec, &mut self.load) {
            Ok(id) => id,
            Err(e) => return self.failed(e),
        };
        log::info!("the agent is running");
        self.notify.ready();
        let started = Instant::now();
        loop {
            let code = match self.docker.wait_container(&id) {
                Ok(code) => code,
                Err(e) => {
                    if let Some(exit) = self.exit_after_failed_wait(&id, e)? {
                        return Ok(exit);
                    }
                    (self.sleep)(PAUSE_BEFORE_WAIT)?;
                    continue;
                }
            };
            // dockerd stops its containers when it shuts down; some versions still report the exit
            // before they close the connection.
            if policy::is_exit_by_stop(code)
                && let Err(e) = self.docker.ping()
            {
                self.recover(e)?;
                log::info!("the agent exited with {code} because dockerd shut down");
                return Ok(AgentExit::WithDaemon { code });
            }
            log::info!("the agent exited with {code}");
            let ran = started.elapsed();
            return Ok(AgentExit::Exited { code, ran });
        }
    }

    /// How the container exited, after a wait that failed; `None` if it still runs.
    fn exit_after_failed_wait(&mut self, id: &str, error: Error) -> Result<Option<AgentExit>> {
        self.recover(error)?;
        let container = match self.docker.container(id) {
            Ok(container) => container,
            // dockerd is away again: the next wait reports it.
            Err(e) if e.find::<Disconnected>().is_some() => return Ok(None),
            Err(e) => return self.failed(e).map(Some),
        };
        let Some(container) = container else {
            log::warn!("the agent's container no longer exists");
            return Ok(Some(AgentExit::Vanished));
        };
        if container.state.running {
            log::info!("the agent is still running");
            return Ok(None);
        }
        let code = container.state.exit_code;
        log::info!("the agent exited with {code} while dockerd was away");
        Ok(Some(AgentExit::WithDaemon { code }))
    }

    /// The agent could not be started or examined.
    fn failed(&mut self, error: Error) -> Result<AgentExit> {
        self.recover(error)?;
        Ok(AgentExit::Failed)
    }

    /// Handles recoverable errors: waits for dockerd if it is away, logs any other error.
    ///
    /// # Errors
    /// An interrupt; dockerd did not come back.
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

    /// Loads the version that the agent requests. Returns `action` if that succeeds, otherwise the
    /// action to take instead.
    fn load_update(&mut self, action: Action) -> Result<Action> {
        log::info!("the agent requests another version of itself");
        match (self.load)(&self.docker, ImageToLoad::Requested) {
            Ok(()) => Ok(action),
            Err(e) => {
                let disconnected = e.find::<Disconnected>().is_some();
                self.recover(e)?;
                Ok(if disconnected {
                    // Not a failed update: the image may be valid.
                    self.policy.after(AgentExit::Failed, random_fraction())
                } else {
                    self.policy.load_failed(random_fraction())
                })
            }
        }
    }

    fn fall_back(&mut self, pause: Duration) -> Result<()> {
        log::error!("two updates of the agent failed in a row: loading the cached image");
        if let Err(e) = (self.load)(&self.docker, ImageToLoad::Cached) {
            self.recover(e)?;
        }
        self.pause(pause)
    }

    fn show_log(&mut self) -> Result<()> {
        match self.docker.container_logs(CONTAINER, LOG_LINES) {
            Ok(log) => {
                for line in String::from_utf8_lossy(&log).lines() {
                    log::info!("agent: {line}");
                }
            }
            Err(e) if e.is_interrupted() => return Err(e),
            // Not fatal: some log drivers do not support reading.
            Err(e) => log::warn!("{e}"),
        }
        Ok(())
    }

    fn pause(&mut self, time: Duration) -> Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        let status = format!("restarting the agent in {:.1} s", time.as_secs_f64());
        log::info!("{status}");
        self.notify.status(&status);
        (self.sleep)(time)
    }
}
