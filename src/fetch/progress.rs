//! The progress of a download, on a terminal or in the log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Limits how often progress is shown.
#[derive(Debug)]
struct Throttle {
    interval: Duration,
    last: Instant,
}

impl Throttle {
    fn is_due(&mut self, now: Instant) -> bool {
        let due = now.saturating_duration_since(self.last) >= self.interval;
        if due {
            self.last = now;
        }
        due
    }
}

/// Shows progress on stderr: one line that is redrawn on a terminal, otherwise a log line every
/// 10 s.
#[derive(Debug)]
pub struct ProgressLog {
    terminal: bool,
    throttle: Throttle,
    start: Instant,
    offset: u64,
    drawn: bool,
}

impl ProgressLog {
    /// Progress of a transfer that starts at `offset` bytes.
    pub fn new(offset: u64, now: Instant) -> Self {
        let terminal = std::io::stderr().is_terminal() && log::log_enabled!(log::Level::Info);
        let interval = if terminal {
            Duration::from_millis(250)
        } else {
            Duration::from_secs(10)
        };
        ProgressLog {
            terminal,
            throttle: Throttle {
                interval,
                last: now,
            },
            start: now,
            offset,
            drawn: false,
        }
    }

    /// Shows that `received` of `total` bytes have arrived, if a line is due.
    pub fn update(&mut self, received: u64, total: Option<u64>, now: Instant) {
        if !self.throttle.is_due(now) {
            return;
        }
        let elapsed = now.saturating_duration_since(self.start);
        let line = describe(
            received,
            total,
            received.saturating_sub(self.offset),
            elapsed,
        );
        if self.terminal {
            // A closed stderr does not end a download.
            let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
            self.drawn = true;
        } else {
            log::info!("{line}");
        }
    }
}

impl Drop for ProgressLog {
    /// Clears the line, so that the next log line starts on an empty one.
    fn drop(&mut self) {
        if self.drawn {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// `downloaded 12.3 of 98.7 MiB (12 %), 4.5 MiB/s`; `transferred` bytes took `elapsed`.
fn describe(received: u64, total: Option<u64>, transferred: u64, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let speed = transferred.saturating_mul(1000) / millis;
    match total.filter(|t| *t > 0) {
        Some(total) => format!(
            "downloaded {} of {} MiB ({} %), {} MiB/s",
            mib(received),
            mib(total),
            u128::from(received) * 100 / u128::from(total),
            mib(speed)
        ),
        None => format!("downloaded {} MiB, {} MiB/s", mib(received), mib(speed)),
    }
}

/// Mebibytes with one decimal.
fn mib(bytes: u64) -> String {
    let tenths = u128::from(bytes) * 10 / (1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_lines() {
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
    fn progress_is_due_once_per_interval() {
        let start = Instant::now();
        let mut throttle = Throttle {
            interval: Duration::from_secs(10),
            last: start,
        };
        assert!(!throttle.is_due(start + Duration::from_secs(9)));
        assert!(throttle.is_due(start + Duration::from_secs(10)));
        assert!(!throttle.is_due(start + Duration::from_secs(19)));
        assert!(throttle.is_due(start + Duration::from_secs(20)));
    }
}
