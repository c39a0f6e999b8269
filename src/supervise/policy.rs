//! What comes after the agent's end. Pure: how it ended and what went before, to the next step.

use std::time::Duration;

use super::backoff::Backoff;

/// How one run of the agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this status, after it had run for so long.
    Exited {
        /// The exit status.
        code: i64,
        /// From its start on.
        ran: Duration,
    },
    /// It exited with this status while dockerd was on its way down or away.
    ExitedWithDaemon {
        /// The exit status.
        code: i64,
    },
    /// Its container is gone, and nobody knows how it ended.
    Vanished,
    /// It could not be created, started or waited for.
    Failed,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The agent is done: success.
    Done,
    /// The agent can never work here.
    Terminal,
    /// Load the image that the agent asks for, wait this long, start anew. If it cannot be
    /// loaded, [`Policy::load_failed`] says what comes instead.
    Upgrade(Duration),
    /// Two upgrades in a row were no good: load the cached image again, wait this long, start
    /// anew.
    FallBack(Duration),
    /// Wait this long, start anew.
    Again {
        /// The wait.
        pause: Duration,
        /// Whether the agent's last words are to be shown first.
        show_log: bool,
    },
}

/// The agent's exit statuses that mean something to its supervisor (the ECS agent's
/// `exitcodes`).
mod code {
    pub const SUCCESS: i64 = 0;
    pub const ERROR: i64 = 2;
    pub const TERMINAL: i64 = 5;
    pub const UPGRADE: i64 = 42;
    /// 128 + SIGKILL, 128 + SIGTERM: how `docker stop` ends a program that does not say 0.
    pub const KILLED: [i64; 2] = [137, 143];
}

/// What the run before this one ended with, if that was an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upgraded {
    /// Another image was loaded: what runs now is to be judged.
    Loaded,
    /// None could be: what runs now is what asked for it, and will ask again.
    NotLoaded,
}

/// The policy and what it remembers.
#[derive(Debug, Default)]
pub struct Policy {
    backoff: Backoff,
    before: Option<Upgraded>,
    /// How many upgrades in a row were no good.
    bad: u32,
}

impl Policy {
    /// An agent that asks for an upgrade again, sooner than this after the last one, has got the
    /// image that it does not want: at once would be a hot loop.
    const SOON: Duration = Duration::from_secs(60);

    /// How many bad upgrades in a row are borne.
    const BEARABLE: u32 = 1;

    /// The next step. `random`, from 0 to 1, is for the jitter.
    pub fn after(&mut self, ending: Ending, random: f64) -> Next {
        let before = self.before.take();
        let (code, ran, with_daemon) = match ending {
            Ending::Exited { code, ran } => (code, Some(ran), false),
            Ending::ExitedWithDaemon { code } => (code, None, true),
            Ending::Vanished | Ending::Failed => return self.again(random, false),
        };
        match code {
            // dockerd stops its containers when it goes: the agent did not mean it.
            code::SUCCESS if with_daemon => self.again(random, false),
            code::SUCCESS => Next::Done,
            code::TERMINAL => Next::Terminal,
            code::UPGRADE => {
                let before = before.filter(|_| ran.is_none_or(|ran| ran < Self::SOON));
                self.upgrade(before, random)
            }
            code => self.again(random, code == code::ERROR),
        }
    }

    /// What comes after an upgrade that could not be loaded: as after any failure, a pause.
    pub fn load_failed(&mut self, random: f64) -> Next {
        self.before = Some(Upgraded::NotLoaded);
        self.no_good(random).unwrap_or_else(|| Next::Again {
            pause: self.backoff.step(random),
            show_log: false,
        })
    }

    /// The agent asks for an upgrade; `before`: soon after another.
    fn upgrade(&mut self, before: Option<Upgraded>, random: f64) -> Next {
        self.before = Some(Upgraded::Loaded);
        let pause = match before {
            None => {
                self.bad = 0;
                return Next::Upgrade(Duration::ZERO);
            }
            Some(Upgraded::Loaded) => self.no_good(random),
            // Counted when it was not loaded.
            Some(Upgraded::NotLoaded) => None,
        };
        pause.unwrap_or_else(|| Next::Upgrade(self.backoff.step(random)))
    }

    /// One more upgrade was no good. The agent that is fallen back to is judged as any other, so
    /// that one that asks again at once is never met without a pause.
    fn no_good(&mut self, random: f64) -> Option<Next> {
        self.bad += 1;
        (self.bad > Self::BEARABLE).then(|| {
            self.bad = 0;
            self.before = Some(Upgraded::Loaded);
            Next::FallBack(self.backoff.step(random))
        })
    }

    fn again(&mut self, random: f64, show_log: bool) -> Next {
        self.bad = 0;
        Next::Again {
            pause: self.backoff.step(random),
            show_log,
        }
    }
}

/// Whether this is how an agent ends that dockerd stops on its own way down.
#[must_use]
pub fn like_a_stop(code: i64) -> bool {
    code == code::SUCCESS || code::KILLED.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const BLINK: Duration = Duration::from_secs(1);

    fn exited(code: i64, ran: Duration) -> Ending {
        Ending::Exited { code, ran }
    }

    fn again(ms: u64) -> Next {
        Next::Again {
            pause: Duration::from_millis(ms),
            show_log: false,
        }
    }

    #[test]
    fn success_and_terminal_failure_end_it() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(0, BLINK), 0.0), Next::Done);
        assert_eq!(p.after(exited(5, LONG), 0.0), Next::Terminal);
        let dead = Ending::ExitedWithDaemon { code: 5 };
        assert_eq!(p.after(dead, 0.0), Next::Terminal);
    }

    #[test]
    fn any_other_status_backs_off_and_two_shows_the_log() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(1, BLINK), 0.0), again(500));
        let Next::Again { pause, show_log } = p.after(exited(2, BLINK), 0.0) else {
            panic!("2 is tried again");
        };
        assert_eq!((pause.as_millis(), show_log), (1000, true));
        assert_eq!(p.after(exited(137, LONG), 0.0), again(2000));
        assert_eq!(p.after(Ending::Vanished, 0.0), again(4000));
        assert_eq!(p.after(Ending::Failed, 0.0), again(8000));
        assert_eq!(p.after(exited(-1, LONG), 0.0), again(15000));
    }

    fn upgrade(ms: u64) -> Next {
        Next::Upgrade(Duration::from_millis(ms))
    }

    fn fall_back(ms: u64) -> Next {
        Next::FallBack(Duration::from_millis(ms))
    }

    #[test]
    fn an_upgrade_is_at_once_and_one_that_repeats_is_not() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(42, LONG), 0.0), upgrade(0));
        assert_eq!(p.after(exited(42, LONG), 0.0), upgrade(0));
        assert_eq!(p.after(exited(42, BLINK), 0.0), upgrade(500));
        // Another end in between, or a long run: not in a row.
        assert_eq!(p.after(exited(1, BLINK), 0.0), again(1000));
        assert_eq!(p.after(exited(42, BLINK), 0.0), upgrade(0));
        assert_eq!(p.after(exited(42, BLINK), 0.0), upgrade(2000));
        assert_eq!(p.after(exited(42, LONG), 0.0), upgrade(0));
        assert_eq!(p.after(exited(42, BLINK), 0.0), upgrade(4000));
    }

    #[test]
    fn two_bad_upgrades_in_a_row_end_at_the_cached_image() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(42, LONG), 0.0), upgrade(0));
        assert_eq!(p.after(exited(42, BLINK), 0.0), upgrade(500));
        assert_eq!(p.after(exited(42, BLINK), 0.0), fall_back(1000));
        // The cached one asks as well: never at once, and it goes round with pauses.
        assert_eq!(p.after(exited(42, BLINK), 0.0), upgrade(2000));
        assert_eq!(p.after(exited(42, BLINK), 0.0), fall_back(4000));
        assert_eq!(p.after(exited(42, LONG), 0.0), upgrade(0));
    }

    #[test]
    fn two_that_cannot_be_loaded_end_there_too() {
        let mut p = Policy::default();
        assert_eq!(p.after(exited(42, LONG), 0.0), upgrade(0));
        assert_eq!(p.load_failed(0.0), again(500));
        // It asks again because it did not get it: that is not the second failure.
        assert_eq!(p.after(exited(42, BLINK), 0.0), upgrade(1000));
        assert_eq!(p.load_failed(0.0), fall_back(2000));
        // One of each kind.
        assert_eq!(p.after(exited(42, BLINK), 0.0), upgrade(4000));
        assert_eq!(p.load_failed(0.0), fall_back(8000));
    }

    #[test]
    fn an_update_that_fails_now_and_then_does_not_take_the_agent_back() {
        let mut p = Policy::default();
        for ms in [500, 1000, 2000] {
            assert_eq!(p.after(exited(42, LONG), 0.0), upgrade(0));
            assert_eq!(p.load_failed(0.0), again(ms));
        }
    }

    #[test]
    fn an_agent_that_dockerd_took_along_is_started_again() {
        let mut p = Policy::default();
        for (code, ms) in [(0, 500), (137, 1000), (143, 2000)] {
            assert!(like_a_stop(code));
            assert_eq!(
                p.after(Ending::ExitedWithDaemon { code }, 0.0),
                again(ms),
                "{code}"
            );
        }
        assert_eq!(
            p.after(Ending::ExitedWithDaemon { code: 42 }, 0.0),
            Next::Upgrade(Duration::ZERO)
        );
    }
}
