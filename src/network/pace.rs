//! How soon the guard looks at the rules after it heard of a change. Pure: the time is handed in.
//!
//! A reload is several changes within a moment; it is let finish. A host whose rules change all the
//! time (containers that come and go) costs a look a second, not one a change. And with a program
//! that takes our rules out each time they are put back there is no fight: soon it is once a minute.

use std::time::{Duration, Instant};

/// How long a reload is let go on.
const SETTLE: Duration = Duration::from_millis(200);
/// From one look to the next, at least.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// So many times the rules are put back within the time of [`WINDOW`]; then only once in it.
const REPAIRS: usize = 5;
/// See [`REPAIRS`].
const WINDOW: Duration = Duration::from_secs(60);

/// What was done when.
#[derive(Debug, Default)]
pub struct Pace {
    look: Option<Instant>,
    /// Repairs of the last [`WINDOW`], and the last one however long ago.
    repairs: Vec<Instant>,
    fight: bool,
}

impl Pace {
    /// How long to wait from `now` on before the next look.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Duration {
        let since = |then: Instant, time: Duration| (then + time).saturating_duration_since(now);
        let after_look = self.look.map(|at| since(at, BETWEEN_LOOKS));
        let after_repair = self.repairs.last().filter(|_| self.fight);
        let after_repair = after_repair.map(|at| since(*at, WINDOW));
        [after_look, after_repair]
            .into_iter()
            .flatten()
            .fold(SETTLE, Duration::max)
    }

    /// Notes that the rules were looked at.
    pub fn looked(&mut self, now: Instant) {
        self.look = Some(now);
    }

    /// Notes that they had to be put back; whether that begins to be a fight. One a minute, which a
    /// fight comes down to, keeps it one.
    pub fn repaired(&mut self, now: Instant) -> bool {
        let ago = |then: &Instant| now.saturating_duration_since(*then);
        self.fight &= self.repairs.last().is_some_and(|at| ago(at) <= 2 * WINDOW);
        self.repairs.retain(|at| ago(at) <= WINDOW);
        self.repairs.push(now);
        let begins = !self.fight && self.repairs.len() >= REPAIRS;
        self.fight |= begins;
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many repairs there are within a time, with a program that never gives up.
    fn repairs_in(time: Duration) -> usize {
        let begin = Instant::now();
        let (mut pace, mut now, mut repairs) = (Pace::default(), begin, 0);
        loop {
            now += pace.wait(now);
            if now - begin > time {
                return repairs;
            }
            pace.looked(now);
            pace.repaired(now);
            repairs += 1;
        }
    }

    #[test]
    fn the_first_look_lets_a_reload_finish_and_no_more() {
        assert_eq!(Pace::default().wait(Instant::now()), SETTLE);
    }

    #[test]
    fn looks_without_a_repair_come_once_a_second() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.looked(now);
        assert_eq!(pace.wait(now), BETWEEN_LOOKS);
        assert_eq!(pace.wait(now + BETWEEN_LOOKS), SETTLE);
    }

    #[test]
    fn a_fight_comes_down_to_once_a_minute() {
        assert_eq!(repairs_in(Duration::from_secs(10)), REPAIRS);
        assert_eq!(repairs_in(Duration::from_secs(600)), REPAIRS + 9);
    }

    #[test]
    fn it_is_said_once_and_over_when_the_other_one_stops() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        let mut said = 0;
        for _ in 0..20 {
            now += pace.wait(now);
            pace.looked(now);
            said += usize::from(pace.repaired(now));
        }
        assert_eq!(said, 1);
        assert!(pace.wait(now) > BETWEEN_LOOKS);
        // Peace for a while: the next reload is mended at once, and so is the one after it.
        now += 3 * WINDOW;
        assert_eq!(pace.wait(now), SETTLE);
        assert!(!pace.repaired(now));
        assert_eq!(pace.wait(now), SETTLE);
    }
}
