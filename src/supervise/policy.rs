//! Decides what to do after the agent exits, from its exit and the earlier ones. Pure.

use std::time::Duration;

use crate::retry::{RetryLimit, RetryPolicy};

/// How a run of the agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AgentExit {
    /// It exited.
    Exited {
        /// The exit code.
        code: i64,
        /// The time since its start.
        ran: Duration,
    },
    /// It exited while dockerd was shutting down or away.
    WithDaemon {
        /// The exit code.
        code: i64,
    },
    /// Its container no longer exists; the exit code is unknown.
    Vanished,
    /// It could not be created, started or waited for.
    Failed,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// End: the agent exited successfully.
    Done,
    /// End: the agent can never run on this host.
    Terminal,
    /// Load the version that the agent requests, pause, restart. If it cannot be loaded, do what
    /// [`Policy::load_failed`] returns instead.
    Update(Duration),
    /// Two updates failed in a row: load the cached image, pause, restart.
    FallBack(Duration),
    /// Pause and restart.
    Restart {
        /// The pause.
        pause: Duration,
        /// Whether to show the container's log first.
        show_log: bool,
    },
}

/// The pauses before restarts, with amazon-ecs-init's values. An agent that keeps failing is
/// restarted every 15 s.
const RESTARTS: RetryPolicy = RetryPolicy {
    first_pause: Duration::from_millis(500),
    max_pause: Duration::from_secs(15),
    jitter: (1.0, 1.1),
    limit: RetryLimit::Unlimited,
};

/// Exit codes of the agent (`agent/sighandlers/exitcodes` in its source).
mod code {
    pub const SUCCESS: i64 = 0;
    pub const ERROR: i64 = 2;
    pub const TERMINAL: i64 = 5;
    pub const UPDATE: i64 = 42;
    /// 128 + SIGKILL, 128 + SIGTERM: a program that `docker stop` ended.
    pub const KILLED: [i64; 2] = [137, 143];
}

/// How the previous run ended, if it requested an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PreviousUpdate {
    /// Another image was loaded and runs now.
    Loaded,
    /// No image was loaded; the version that requested the update still runs.
    NotLoaded,
}

/// The policy and its history.
#[derive(Debug, Default)]
pub(super) struct Policy {
    /// The number of restarts with a pause. Never reset.
    pauses: u32,
    previous: Option<PreviousUpdate>,
    /// Failed updates in a row.
    failed_updates: u32,
}

impl Policy {
    /// An agent that requests another update within this time after one did not get the version
    /// that it wants. A restart without a pause would be a hot loop.
    const SOON: Duration = Duration::from_secs(60);

    /// How many failed updates in a row are tolerated.
    const MAX_FAILED_UPDATES: u32 = 1;

    /// The next action. `random`, from 0 to 1, is for the jitter.
    pub fn after(&mut self, exit: AgentExit, random: f64) -> Action {
        let previous = self.previous.take();
        let (code, ran, with_daemon) = match exit {
            AgentExit::Exited { code, ran } => (code, Some(ran), false),
            AgentExit::WithDaemon { code } => (code, None, true),
            AgentExit::Vanished | AgentExit::Failed => return self.restart(random, false),
        };
        match code {
            // dockerd stops its containers when it shuts down: not the agent's decision.
            code::SUCCESS if with_daemon => self.restart(random, false),
            code::SUCCESS => Action::Done,
            code::TERMINAL => Action::Terminal,
            code::UPDATE => {
                let previous = previous.filter(|_| ran.is_none_or(|ran| ran < Self::SOON));
                self.update_requested(previous, random)
            }
            code => self.restart(random, code == code::ERROR),
        }
    }

    /// The action after an update that could not be loaded.
    pub fn load_failed(&mut self, random: f64) -> Action {
        self.previous = Some(PreviousUpdate::NotLoaded);
        self.update_failed(random)
            .unwrap_or_else(|| Action::Restart {
                pause: self.pause(random),
                show_log: false,
            })
    }

    /// The agent requests an update; `previous` is set if it does so soon after another one.
    fn update_requested(&mut self, previous: Option<PreviousUpdate>, random: f64) -> Action {
        self.previous = Some(PreviousUpdate::Loaded);
        let fall_back = match previous {
            None => {
                self.failed_updates = 0;
                return Action::Update(Duration::ZERO);
            }
            Some(PreviousUpdate::Loaded) => self.update_failed(random),
            // Already counted when it was not loaded.
            Some(PreviousUpdate::NotLoaded) => None,
        };
        fall_back.unwrap_or_else(|| Action::Update(self.pause(random)))
    }

    /// Counts a failed update; falls back if there were too many. The cached version counts as a
    /// loaded update: if it requests another one at once, there is a pause.
    fn update_failed(&mut self, random: f64) -> Option<Action> {
        self.failed_updates += 1;
        (self.failed_updates > Self::MAX_FAILED_UPDATES).then(|| {
            self.failed_updates = 0;
            self.previous = Some(PreviousUpdate::Loaded);
            Action::FallBack(self.pause(random))
        })
    }

    fn pause(&mut self, random: f64) -> Duration {
        let pause = RESTARTS.pause(self.pauses, random);
        self.pauses = self.pauses.saturating_add(1);
        pause
    }

    fn restart(&mut self, random: f64, show_log: bool) -> Action {
        self.failed_updates = 0;
        Action::Restart {
            pause: self.pause(random),
            show_log,
        }
    }
}

/// Whether an agent that dockerd stops exits with this code.
pub(super) fn is_exit_by_stop(code: i64) -> bool {
    code == code::SUCCESS || code::KILLED.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_secs(1);

    fn exited(code: i64, ran: Duration) -> AgentExit {
        AgentExit::Exited { code, ran }
    }

    fn restart(ms: u64) -> Action {
        Action::Restart {
            pause: Duration::from_millis(ms),
            show_log: false,
        }
    }

    #[test]
    fn exit_0_and_5_end_supervision() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(0, SHORT), 0.0), Action::Done);
        assert_eq!(p.after(exited(5, LONG), 0.0), Action::Terminal);
        let dead = AgentExit::WithDaemon { code: 5 };
        assert_eq!(p.after(dead, 0.0), Action::Terminal);
    }

    #[test]
    fn other_exit_codes_restart_with_backoff() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(1, SHORT), 0.0), restart(500));
        let exit_2 = Action::Restart {
            pause: Duration::from_secs(1),
            show_log: true,
        };
        assert_eq!(p.after(exited(2, SHORT), 0.0), exit_2);
        assert_eq!(p.after(exited(137, LONG), 0.0), restart(2000));
        assert_eq!(p.after(AgentExit::Vanished, 0.0), restart(4000));
        assert_eq!(p.after(AgentExit::Failed, 0.0), restart(8000));
        assert_eq!(p.after(exited(-1, LONG), 0.0), restart(15000));
        assert_eq!(p.after(exited(1, LONG), 0.0), restart(15000));
        // The jitter adds a tenth at most.
        assert_eq!(p.after(exited(1, LONG), 1.0), restart(16500));
    }

    fn update(ms: u64) -> Action {
        Action::Update(Duration::from_millis(ms))
    }

    fn fall_back(ms: u64) -> Action {
        Action::FallBack(Duration::from_millis(ms))
    }

    #[test]
    fn update_is_immediate_unless_repeated_soon() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(42, LONG), 0.0), update(0));
        assert_eq!(p.after(exited(42, LONG), 0.0), update(0));
        assert_eq!(p.after(exited(42, SHORT), 0.0), update(500));
        // Not in a row: another exit code or a long run in between.
        assert_eq!(p.after(exited(1, SHORT), 0.0), restart(1000));
        assert_eq!(p.after(exited(42, SHORT), 0.0), update(0));
        assert_eq!(p.after(exited(42, SHORT), 0.0), update(2000));
        assert_eq!(p.after(exited(42, LONG), 0.0), update(0));
        assert_eq!(p.after(exited(42, SHORT), 0.0), update(4000));
    }

    #[test]
    fn update_failed_twice_falls_back() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(42, LONG), 0.0), update(0));
        assert_eq!(p.after(exited(42, SHORT), 0.0), update(500));
        assert_eq!(p.after(exited(42, SHORT), 0.0), fall_back(1000));
        // The cached version requests an update as well: never without a pause.
        assert_eq!(p.after(exited(42, SHORT), 0.0), update(2000));
        assert_eq!(p.after(exited(42, SHORT), 0.0), fall_back(4000));
        assert_eq!(p.after(exited(42, LONG), 0.0), update(0));
    }

    #[test]
    fn update_not_loaded_twice_falls_back() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(42, LONG), 0.0), update(0));
        assert_eq!(p.load_failed(0.0), restart(500));
        // The old version repeats its request: not a second failure.
        assert_eq!(p.after(exited(42, SHORT), 0.0), update(1000));
        assert_eq!(p.load_failed(0.0), fall_back(2000));
        // One of each kind.
        assert_eq!(p.after(exited(42, SHORT), 0.0), update(4000));
        assert_eq!(p.load_failed(0.0), fall_back(8000));
    }

    #[test]
    fn updates_not_loaded_with_long_runs_between_do_not_fall_back() {
        let mut p = Policy::default();
        for ms in [500, 1000, 2000] {
            assert_eq!(p.after(exited(42, LONG), 0.0), update(0));
            assert_eq!(p.load_failed(0.0), restart(ms));
        }
    }

    #[test]
    fn exit_with_dockerd_restarts() {
        let mut p = Policy::default();
        for (code, ms) in [(0, 500), (137, 1000), (143, 2000)] {
            assert!(is_exit_by_stop(code));
            assert_eq!(
                p.after(AgentExit::WithDaemon { code }, 0.0),
                restart(ms),
                "{code}"
            );
        }
        assert_eq!(
            p.after(AgentExit::WithDaemon { code: 42 }, 0.0),
            Action::Update(Duration::ZERO)
        );
    }
}
