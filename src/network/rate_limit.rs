//! How long the guard waits after a change before it checks the rules. Pure: the time is a
//! parameter.
//!
//! A reload is several changes within a moment, so a check waits until it is over. Frequent changes
//! (containers that start and stop) cause one check a second at most. If another program removes
//! the rules each time, they are restored once a minute.

use std::time::{Duration, Instant};

/// The minimum time from a change to its check.
const SETTLE: Duration = Duration::from_millis(200);
/// The minimum time from one check to the next.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// After this many restores within [`WINDOW`], rules are restored once per [`WINDOW`].
const RESTORES: usize = 5;
/// See [`RESTORES`].
const WINDOW: Duration = Duration::from_secs(60);

/// The times of past checks and restores.
#[derive(Debug, Default)]
pub(super) struct RateLimit {
    last_check: Option<Instant>,
    /// The restores of the last [`WINDOW`], and always the latest one.
    restores: Vec<Instant>,
    /// Whether restores are limited to one per [`WINDOW`].
    limited: bool,
}

impl RateLimit {
    /// How long to wait from `now` until the next check.
    pub fn delay(&self, now: Instant) -> Duration {
        let until =
            |then: Instant, interval: Duration| (then + interval).saturating_duration_since(now);
        let after_check = self.last_check.map(|at| until(at, CHECK_INTERVAL));
        let last_restore = self.restores.last().filter(|_| self.limited);
        let after_restore = last_restore.map(|at| until(*at, WINDOW));
        [after_check, after_restore]
            .into_iter()
            .flatten()
            .fold(SETTLE, Duration::max)
    }

    /// Records a check.
    pub fn checked(&mut self, now: Instant) {
        self.last_check = Some(now);
    }

    /// Records that rules were restored; returns whether the limit starts now. It ends after
    /// 2 * [`WINDOW`] without a restore.
    pub fn restored(&mut self, now: Instant) -> bool {
        let age = |then: &Instant| now.saturating_duration_since(*then);
        self.limited &= self.restores.last().is_some_and(|at| age(at) <= 2 * WINDOW);
        self.restores.retain(|at| age(at) <= WINDOW);
        self.restores.push(now);
        let starts = !self.limited && self.restores.len() >= RESTORES;
        self.limited |= starts;
        starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of restores within `time` if another program removes the rules each time.
    fn restores_in(time: Duration) -> usize {
        let begin = Instant::now();
        let (mut limit, mut now, mut restores) = (RateLimit::default(), begin, 0);
        loop {
            now += limit.delay(now);
            if now - begin > time {
                return restores;
            }
            limit.checked(now);
            limit.restored(now);
            restores += 1;
        }
    }

    #[test]
    fn first_check_waits_for_the_reload_to_settle() {
        assert_eq!(RateLimit::default().delay(Instant::now()), SETTLE);
    }

    #[test]
    fn at_most_one_check_a_second() {
        let now = Instant::now();
        let mut limit = RateLimit::default();
        limit.checked(now);
        assert_eq!(limit.delay(now), CHECK_INTERVAL);
        assert_eq!(limit.delay(now + CHECK_INTERVAL), SETTLE);
    }

    #[test]
    fn repeated_removal_is_restored_once_a_minute() {
        assert_eq!(restores_in(Duration::from_secs(10)), RESTORES);
        assert_eq!(restores_in(Duration::from_secs(600)), RESTORES + 9);
    }

    #[test]
    fn limit_is_reported_once_and_ends_when_removals_stop() {
        let mut now = Instant::now();
        let mut limit = RateLimit::default();
        let mut starts = 0;
        for _ in 0..20 {
            now += limit.delay(now);
            limit.checked(now);
            starts += usize::from(limit.restored(now));
        }
        assert_eq!(starts, 1);
        assert!(limit.delay(now) > CHECK_INTERVAL);
        // After a pause, the next two reloads are restored without the limit.
        now += 3 * WINDOW;
        assert_eq!(limit.delay(now), SETTLE);
        assert!(!limit.restored(now));
        assert_eq!(limit.delay(now), SETTLE);
    }
}
