//! The pauses between restarts. Pure.

use std::time::Duration;

/// 0.5 s, doubling to 15 s, each with a jitter of 0 to 10 % (amazon-ecs-init's values). It is never
/// reset: an agent that keeps failing is restarted every 15 s.
#[derive(Debug, Clone)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(15);
    const JITTER: f64 = 0.10;

    /// The next delay. `random` is a number from 0 to 1; anything else counts as the nearer end.
    pub fn step(&mut self, random: f64) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(Self::MOST);
        let random = if random.is_nan() { 0.0 } else { random };
        delay.mul_f64(1.0 + Self::JITTER * random.clamp(0.0, 1.0))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { next: Self::FIRST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_fifteen_seconds_and_stays_there() {
        let mut backoff = Backoff::default();
        let ms: Vec<_> = (0..8).map(|_| backoff.step(0.0).as_millis()).collect();
        assert_eq!(ms, [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
    }

    #[test]
    fn jitter_adds_a_tenth_at_most_and_does_not_add_up() {
        let mut backoff = Backoff::default();
        let ms: Vec<_> = [1.0, 0.5, 7.0, -1.0, f64::NAN]
            .map(|r| backoff.step(r).as_millis())
            .into();
        assert_eq!(ms, [550, 1050, 2200, 4000, 8000]);
    }
}
