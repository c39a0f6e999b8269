//! How a download goes on: what to tell, and whether it is worth waiting for. The clock is passed
//! in; [`Reporter`] alone writes.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The least progress that a download must make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Least {
    /// So many bytes …
    pub bytes: u64,
    /// … in each span of this length.
    pub time: Duration,
}

impl Default for Least {
    /// 256 KiB a minute: far below the slowest line over which the agent could work.
    fn default() -> Self {
        Least {
            bytes: 256 * 1024,
            time: Duration::from_secs(60),
        }
    }
}

/// Watches over the least progress.
#[derive(Debug)]
pub struct Floor {
    least: Least,
    since: Instant,
    bytes: u64,
}

impl Floor {
    /// Watches from now on.
    #[must_use]
    pub fn new(least: Least, now: Instant) -> Self {
        Floor {
            least,
            since: now,
            bytes: 0,
        }
    }

    /// Counts bytes that arrived; false once a span passed with too few.
    pub fn add(&mut self, bytes: u64, now: Instant) -> bool {
        self.bytes += bytes;
        if now.saturating_duration_since(self.since) < self.least.time {
            return true;
        }
        let enough = self.bytes >= self.least.bytes;
        self.since = now;
        self.bytes = 0;
        enough
    }
}

/// Decides when the next line is due.
#[derive(Debug)]
struct Pace {
    every: Duration,
    last: Instant,
}

impl Pace {
    fn due(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.last) >= self.every;
        if due {
            self.last = now;
        }
        due
    }
}

/// On a terminal one line, redrawn; otherwise a log line now and then.
#[derive(Debug)]
pub struct Reporter {
    terminal: bool,
    pace: Pace,
    begun: Instant,
    from: u64,
    drawn: bool,
}

impl Reporter {
    /// Reports on stderr, of a transfer that has `from` bytes already.
    #[must_use]
    pub fn new(from: u64, now: Instant) -> Self {
        let terminal = std::io::stderr().is_terminal() && log::log_enabled!(log::Level::Info);
        let every = if terminal {
            Duration::from_millis(250)
        } else {
            Duration::from_secs(10)
        };
        Reporter {
            terminal,
            pace: Pace { every, last: now },
            begun: now,
            from,
            drawn: false,
        }
    }

    /// So much is there now.
    pub fn at(&mut self, got: u64, total: Option<u64>, now: Instant) {
        if !self.pace.due(now) {
            return;
        }
        let spent = now.saturating_duration_since(self.begun);
        let line = describe(got, total, got.saturating_sub(self.from), spent);
        if self.terminal {
            // A stderr that went away is no reason to end a download.
            let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
            self.drawn = true;
        } else {
            log::info!("{line}");
        }
    }
}

impl Drop for Reporter {
    /// Clears the line, so that what is logged next begins on an empty one.
    fn drop(&mut self) {
        if self.drawn {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// `downloaded 12.3 of 98.7 MiB (12 %), 4.5 MiB/s`.
fn describe(got: u64, total: Option<u64>, now: u64, spent: Duration) -> String {
    let millis = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX).max(1);
    let speed = now.saturating_mul(1000) / millis;
    match total.filter(|t| *t > 0) {
        Some(total) => format!(
            "downloaded {} of {} MiB ({} %), {} MiB/s",
            mib(got),
            mib(total),
            u128::from(got) * 100 / u128::from(total),
            mib(speed)
        ),
        None => format!("downloaded {} MiB, {} MiB/s", mib(got), mib(speed)),
    }
}

/// Mebibytes, with one decimal.
#[must_use]
pub fn mib(bytes: u64) -> String {
    let tenths = u128::from(bytes) * 10 / (1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_in_a_span_is_too_slow() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let least = Least {
            bytes: 100,
            time: Duration::from_secs(60),
        };
        let mut floor = Floor::new(least, start);
        assert!(floor.add(1, at(59)));
        assert!(floor.add(99, at(60)));
        assert!(floor.add(99, at(119)));
        assert!(!floor.add(0, at(120)));
    }

    #[test]
    fn lines() {
        let second = Duration::from_secs(1);
        assert_eq!(
            describe(3 << 20, Some(12 << 20), 2 << 20, second),
            "downloaded 3.0 of 12.0 MiB (25 %), 2.0 MiB/s"
        );
        assert_eq!(
            describe(1 << 19, None, 1 << 19, Duration::ZERO),
            "downloaded 0.5 MiB, 500.0 MiB/s"
        );
        assert!(describe(u64::MAX, Some(u64::MAX), u64::MAX, second).contains("100 %"));
        assert!(describe(0, Some(0), 0, second).starts_with("downloaded 0.0 MiB"));
    }

    #[test]
    fn lines_keep_their_pace() {
        let start = Instant::now();
        let every = Duration::from_secs(10);
        let mut pace = Pace { every, last: start };
        assert!(!pace.due(start + Duration::from_secs(9)));
        assert!(pace.due(start + Duration::from_secs(10)));
        assert!(!pace.due(start + Duration::from_secs(19)));
        assert!(pace.due(start + Duration::from_secs(20)));
    }
}
