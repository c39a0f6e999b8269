//! What to do after a failure: the kind decides. Pure; clock and chance are passed in.

use std::time::{Duration, Instant};

use super::trouble::Trouble;
use crate::http::failure::Failure;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass: the same source again, after a pause.
    Retry,
    /// This source will not do: on to the next one.
    NextSource,
    /// No source will do: our own disk, or the order to stop.
    Fatal,
}

/// Judges a failure.
#[must_use]
pub fn verdict(trouble: &Trouble) -> Verdict {
    match trouble {
        Trouble::Web(failure) => of_failure(failure),
        Trouble::Status(status) => of_status(*status),
        Trouble::CutShort { .. } | Trouble::TooSlow { .. } => Verdict::Retry,
        Trouble::TooLarge { .. } | Trouble::Encoded(_) | Trouble::Restless => Verdict::NextSource,
        Trouble::Local(_) => Verdict::Fatal,
    }
}

fn of_failure(failure: &Failure) -> Verdict {
    match failure {
        Failure::TimedOut(_) | Failure::Network(_) => Verdict::Retry,
        Failure::Lookup { temporary, .. } => {
            if *temporary {
                Verdict::Retry
            } else {
                Verdict::NextSource
            }
        }
        // A certificate does not change within minutes; and asking again what may be an
        // attacker's machine helps nobody.
        Failure::Tls(_) | Failure::Protocol(_) => Verdict::NextSource,
        Failure::Proxy(status, _) => status.map_or(Verdict::Retry, of_status),
        Failure::Interrupted => Verdict::Fatal,
    }
}

/// Status codes by RFC 9110 section 15 and, for 429, RFC 6585 section 4. S3 answers 503 for
/// "slow down", and 403 for a key that is not there to who may not list the bucket.
fn of_status(status: u16) -> Verdict {
    match status {
        408 | 429 | 500 | 502..=504 | 507..=599 => Verdict::Retry,
        _ => Verdict::NextSource,
    }
}

/// How patient we are with one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How long the source may fail before we turn to the next.
    pub total: Duration,
}

impl Patience {
    /// Pauses of 0.5 s to 15 s, for at most `total`.
    #[must_use]
    pub fn new(total: Duration) -> Self {
        Patience {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(15),
            total,
        }
    }
}

/// The patience that is left with one source.
#[derive(Debug)]
pub struct Budget {
    patience: Patience,
    since: Instant,
    failures: u32,
}

impl Budget {
    /// Full patience, from now on.
    #[must_use]
    pub fn new(patience: Patience, now: Instant) -> Self {
        Budget {
            patience,
            since: now,
            failures: 0,
        }
    }

    /// The transfer got a good piece further: a long download over a bad line may fail as often
    /// as it has pieces.
    pub fn progressed(&mut self, now: Instant) {
        self.since = now;
        self.failures = 0;
    }

    /// One more failure: how long to pause, or `None` if patience is at its end. Exponential,
    /// with "equal jitter": half of it is certain, half is chance, so that a fleet that lost the
    /// same server does not come back as one.
    pub fn pause(&mut self, now: Instant, random: u64) -> Option<Duration> {
        let ceiling = self
            .patience
            .first
            .saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(self.patience.longest);
        self.failures = self.failures.saturating_add(1);
        let half = ceiling / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        let pause = half + Duration::from_nanos(random % nanos.saturating_add(1).max(1));
        let end = now.saturating_duration_since(self.since) + pause;
        (end <= self.patience.total).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use std::io;

    #[test]
    fn the_kind_decides() {
        use Verdict::{Fatal, NextSource, Retry};
        let net = |kind: io::ErrorKind| Trouble::Web(Failure::Network(kind.into()));
        let tls = rustls::CertificateError::UnknownIssuer.into();
        let lookup = |temporary| {
            Trouble::Web(Failure::Lookup {
                temporary,
                why: String::new(),
            })
        };
        let proxy = |status| Trouble::Web(Failure::Proxy(status, String::new()));
        for (trouble, expected) in [
            (net(io::ErrorKind::ConnectionRefused), Retry),
            (net(io::ErrorKind::ConnectionReset), Retry),
            (net(io::ErrorKind::NetworkUnreachable), Retry),
            (net(io::ErrorKind::UnexpectedEof), Retry),
            (Trouble::Web(Failure::TimedOut("x".into())), Retry),
            (Trouble::Web(Failure::Tls(tls)), NextSource),
            (Trouble::Web(Failure::Protocol(String::new())), NextSource),
            (Trouble::Web(Failure::Interrupted), Fatal),
            (lookup(true), Retry),
            (lookup(false), NextSource),
            (proxy(None), Retry),
            (proxy(Some(503)), Retry),
            (proxy(Some(407)), NextSource),
            (Trouble::Status(500), Retry),
            (Trouble::Status(501), NextSource),
            (Trouble::Status(503), Retry),
            (Trouble::Status(429), Retry),
            (Trouble::Status(408), Retry),
            (Trouble::Status(403), NextSource),
            (Trouble::Status(404), NextSource),
            (Trouble::Status(400), NextSource),
            (Trouble::Status(304), NextSource),
            (Trouble::TooLarge { limit: 1 }, NextSource),
            (Trouble::CutShort { got: 1, of: 2 }, Retry),
            (
                Trouble::Local(Error::new(Kind::InvalidInput, "disk")),
                Fatal,
            ),
        ] {
            assert_eq!(verdict(&trouble), expected, "{trouble:?}");
        }
    }

    #[test]
    fn pauses_double_to_the_longest_and_jitter_by_half() {
        let now = Instant::now();
        let mut least = Budget::new(Patience::new(Duration::MAX), now);
        let mut most = Budget::new(Patience::new(Duration::MAX), now);
        for expected in [500, 1000, 2000, 4000, 8000, 15000, 15000] {
            let expected = Duration::from_millis(expected);
            assert_eq!(least.pause(now, 0), Some(expected / 2));
            let nanos = u64::try_from((expected / 2).as_nanos()).unwrap();
            assert_eq!(most.pause(now, nanos), Some(expected));
        }
        for _ in 0..100 {
            assert!(most.pause(now, u64::MAX).unwrap() <= Duration::from_secs(15));
        }
    }

    #[test]
    fn patience_ends_and_progress_renews_it() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut budget = Budget::new(Patience::new(Duration::from_secs(300)), start);
        assert!(budget.pause(at(290), 0).is_some());
        assert!(budget.pause(at(301), 0).is_none());
        budget.progressed(at(301));
        assert!(budget.pause(at(500), 0).is_some());
        let mut none = Budget::new(Patience::new(Duration::ZERO), start);
        assert!(none.pause(start, 0).is_none());
    }
}
