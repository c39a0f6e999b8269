//! Retries: how long to pause between attempts, and when to give up.

use std::time::{Duration, Instant};

use crate::error::{Context, Error, Kind, Result};
use crate::sys::random::random;
use crate::sys::signal::{Stop, WaitResult};

/// How an operation is retried. Pauses double from the first to the longest one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// The first pause.
    pub first_pause: Duration,
    /// The longest pause, before jitter.
    pub max_pause: Duration,
    /// Each pause is multiplied by a random factor between these two: hosts that retry because of
    /// the same server then do not send their requests at the same time.
    pub jitter: (f64, f64),
    /// When to give up.
    pub limit: RetryLimit,
}

/// When a retried operation is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryLimit {
    /// After this time without progress. The last attempt starts at its end.
    Time(Duration),
    /// After this many failed attempts without progress.
    Attempts(u32),
    /// Never.
    Unlimited,
}

impl RetryPolicy {
    /// For servers on the network: pauses of 0.5 s to 15 s, of which half is random, for
    /// `time_limit`.
    pub const fn network(time_limit: Duration) -> RetryPolicy {
        RetryPolicy {
            first_pause: Duration::from_millis(500),
            max_pause: Duration::from_secs(15),
            jitter: (0.5, 1.0),
            limit: RetryLimit::Time(time_limit),
        }
    }

    /// The pause after a failure that follows `failures` others in a row. `random` is from 0 to 1.
    /// Pure.
    pub fn pause(&self, failures: u32, random: f64) -> Duration {
        let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
        let pause = self.first_pause.saturating_mul(factor).min(self.max_pause);
        let (low, high) = self.jitter;
        pause.mul_f64(low + (high - low) * random.clamp(0.0, 1.0))
    }

    /// Runs `attempt` until it succeeds, fails with another kind than [`Kind::Transient`], or the
    /// limit is reached. `on_retry` is called before each pause.
    ///
    /// # Errors
    /// The error of the last attempt, or that `stop` interrupted a pause.
    pub fn run<T>(
        &self,
        stop: &Stop,
        mut attempt: impl FnMut(&mut Retry) -> Result<T>,
        mut on_retry: impl FnMut(&Error, Duration),
    ) -> Result<T> {
        let mut retry = Retry::new(*self, Instant::now());
        loop {
            let error = match attempt(&mut retry) {
                Err(error) if error.kind() == Kind::Transient => error,
                result => return result,
            };
            let Some(pause) = retry.next_pause(Instant::now(), random_fraction()) else {
                return Err(error);
            };
            on_retry(&error, pause);
            sleep(stop, pause)?;
        }
    }
}

/// The usual `on_retry` of [`RetryPolicy::run`]: logs the error and the pause.
pub fn log_retry(error: &Error, pause: Duration) {
    log::warn!("{error}; retrying in {:.1} s", pause.as_secs_f32());
}

/// The state of one retried operation. Pure: time and random numbers are passed in.
#[derive(Debug)]
pub struct Retry {
    policy: RetryPolicy,
    since: Instant,
    failures: u32,
}

impl Retry {
    /// No attempt was made yet.
    pub fn new(policy: RetryPolicy, now: Instant) -> Retry {
        Retry {
            policy,
            since: now,
            failures: 0,
        }
    }

    /// Restarts the time limit and the pauses: the operation made progress.
    pub fn progressed(&mut self, now: Instant) {
        self.since = now;
        self.failures = 0;
    }

    /// The pause after one more failed attempt; `None` if the limit is reached.
    pub fn next_pause(&mut self, now: Instant, random: f64) -> Option<Duration> {
        let pause = self.policy.pause(self.failures, random);
        self.failures += 1;
        match self.policy.limit {
            RetryLimit::Unlimited => Some(pause),
            RetryLimit::Attempts(max) => (self.failures < max).then_some(pause),
            RetryLimit::Time(limit) => {
                let left = limit.saturating_sub(now.saturating_duration_since(self.since));
                (!left.is_zero()).then_some(pause.min(left))
            }
        }
    }
}

/// A random number from 0 to 1, for jitter; 0 if the kernel returns no random bytes.
pub fn random_fraction() -> f64 {
    let bits = random().unwrap_or(0);
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

/// Sleeps for `time`.
///
/// # Errors
/// [`Kind::Interrupted`] if a stop request arrived before the end.
pub fn sleep(stop: &Stop, time: Duration) -> Result<()> {
    match stop.sleep(time).context(|| "sleep")? {
        WaitResult::Interrupted => Err(Error::interrupted()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy::network(Duration::from_secs(300));

    #[test]
    fn pauses_double_to_the_maximum_with_jitter() {
        for (failures, expected) in [500, 1000, 2000, 4000, 8000, 15000, 15000]
            .iter()
            .enumerate()
        {
            let failures = u32::try_from(failures).unwrap();
            let expected = Duration::from_millis(*expected);
            assert_eq!(POLICY.pause(failures, 0.0), expected / 2);
            assert_eq!(POLICY.pause(failures, 1.0), expected);
            assert_eq!(POLICY.pause(failures, 7.0), expected, "clamped");
        }
        assert_eq!(POLICY.pause(u32::MAX, 1.0), Duration::from_secs(15));
    }

    #[test]
    fn time_limit_ends_retries_and_progress_restarts_it() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut retry = Retry::new(POLICY, start);
        assert!(retry.next_pause(at(290), 0.0).is_some());
        let last = retry.next_pause(start + Duration::from_millis(299_900), 0.0);
        assert_eq!(last, Some(Duration::from_millis(100)));
        assert_eq!(retry.next_pause(at(300), 0.0), None);
        retry.progressed(at(301));
        assert!(retry.next_pause(at(500), 0.0).is_some());
        let mut once = Retry::new(RetryPolicy::network(Duration::ZERO), start);
        assert_eq!(once.next_pause(start, 0.0), None);
    }

    #[test]
    fn only_transient_errors_are_retried() {
        let policy = RetryPolicy {
            first_pause: Duration::ZERO,
            limit: RetryLimit::Attempts(3),
            ..POLICY
        };
        for (kind, expected) in [(Kind::Transient, 3), (Kind::Rejected, 1), (Kind::Io, 1)] {
            let mut attempts = 0;
            let fail = |_: &mut Retry| -> Result<()> {
                attempts += 1;
                Err(Error::new(kind, "failed"))
            };
            let error = policy.run(&Stop::never(), fail, |_, _| {}).unwrap_err();
            assert_eq!((error.kind(), attempts), (kind, expected));
        }
    }
}
