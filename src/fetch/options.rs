//! Limits of a download.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::http::Timeouts;
use crate::retry::RetryPolicy;

/// How tars and signatures are downloaded.
#[derive(Debug, Clone, Copy)]
pub struct FetchOptions {
    /// The time limits of each request.
    pub timeouts: Timeouts,
    /// How one source is retried.
    pub retry: RetryPolicy,
    /// The slowest transfer that is not aborted.
    pub min_throughput: MinThroughput,
    /// The largest tar, in bytes.
    pub size_limit: u64,
}

impl FetchOptions {
    /// The options of this configuration.
    pub fn new(config: &Config) -> FetchOptions {
        FetchOptions {
            timeouts: Timeouts::default(),
            retry: RetryPolicy::network(config.source.retry_time),
            min_throughput: MinThroughput::default(),
            size_limit: config.source.download_limit,
        }
    }
}

/// The slowest transfer that is not aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinThroughput {
    /// At least this many bytes …
    pub bytes: u64,
    /// … in each interval of this length.
    pub interval: Duration,
}

impl Default for MinThroughput {
    /// 256 KiB a minute: far below the slowest connection over which the agent can work.
    fn default() -> Self {
        MinThroughput {
            bytes: 256 * 1024,
            interval: Duration::from_secs(60),
        }
    }
}

/// Measures a transfer's throughput. Pure.
#[derive(Debug)]
pub(super) struct Throughput {
    min: MinThroughput,
    since: Instant,
    bytes: u64,
}

impl Throughput {
    pub(super) fn new(min: MinThroughput, now: Instant) -> Self {
        Throughput {
            min,
            since: now,
            bytes: 0,
        }
    }

    /// Counts received bytes; false if an interval ended with too few.
    pub(super) fn add(&mut self, bytes: u64, now: Instant) -> bool {
        self.bytes += bytes;
        if now.saturating_duration_since(self.since) < self.min.interval {
            return true;
        }
        let enough = self.bytes >= self.min.bytes;
        self.since = now;
        self.bytes = 0;
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_with_too_few_bytes_is_too_slow() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let min = MinThroughput {
            bytes: 100,
            interval: Duration::from_secs(60),
        };
        let mut throughput = Throughput::new(min, start);
        assert!(throughput.add(1, at(59)));
        assert!(throughput.add(99, at(60)));
        assert!(throughput.add(99, at(119)));
        assert!(!throughput.add(0, at(120)));
    }
}
