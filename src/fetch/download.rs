//! A tar and its signature from the web to a file of ours, that nobody else sees before it is
//! verified. A cut transfer is resumed; memory is one buffer.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use super::progress::{Floor, Least, Reporter};
use super::resume::{Head, Held, Next, judge};
use super::retry::{Budget, Patience, Verdict, verdict};
use super::trouble::Trouble;
use super::urls::Candidate;
use crate::error::{Context, Error, Kind, Result};
use crate::fs::TempFile;
use crate::http::failure::Failure;
use crate::http::url::redact;
use crate::http::web::{Answer, Web};
use crate::sys::random::random;
use crate::sys::signal::{Stop, WaitResult};
use crate::types::{SIGNATURE_LIMIT, TarSource, UnverifiedTar};

/// As often may a file change, or a resumed transfer not fit, before its source is given up.
pub(super) const RESTARTS: u32 = 3;
/// So many bytes further than ever renew the patience with a source.
const PROGRESS: u64 = 1 << 20;

/// How files are fetched.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The largest tar, in bytes.
    pub limit: u64,
    /// How long one source may fail.
    pub patience: Patience,
    /// The least progress of a transfer.
    pub least: Least,
    /// What ends the pauses.
    pub stop: &'a Stop,
}

/// A download and its signature, not verified. Dropping it removes the file, unless the cache keeps
/// it.
pub type Download = UnverifiedTar<TempFile>;

/// Fetches the signature and then the tar into `part`.
///
/// # Errors
/// Why this source does not have it. No signature is as good as no tar.
pub fn tar(
    web: &Web,
    terms: &Terms,
    from: &Candidate,
    part: TempFile,
) -> Result<Download, Trouble> {
    let mut signature = signature(web, terms, from)?;
    let shown = redact(&from.url);
    log::info!("downloading {shown}");
    let mut transfer = Transfer {
        web,
        terms,
        url: &from.url,
        file: part.file(),
        held: Held::default(),
        furthest: 0,
        restarts: 0,
    };
    let mut budget = Budget::new(terms.patience, Instant::now());
    while let Err(trouble) = transfer.attempt(&mut budget) {
        pause(terms, &mut budget, &shown, trouble)?;
    }
    if transfer.restarts > 0 {
        // `latest` has moved on meanwhile; the signature that we have is the old tar's.
        signature = self::signature(web, terms, from)?;
    }
    log::info!("downloaded {shown}: {} bytes", transfer.held.got);
    Ok(UnverifiedTar::new(
        part,
        Some(signature),
        TarSource::Url(shown),
    ))
}

/// Fetches the detached signature of a tar.
///
/// # Errors
/// Why this source does not have it.
pub fn signature(web: &Web, terms: &Terms, of: &Candidate) -> Result<Vec<u8>, Trouble> {
    let url = of.signature_url();
    let mut budget = Budget::new(terms.patience, Instant::now());
    loop {
        let answer = web.get(&url, &[]).map_err(Trouble::from);
        let body = answer.and_then(|answer| match answer.status() {
            200 => Ok(answer.read_all(SIGNATURE_LIMIT)?),
            status => Err(Trouble::Status(status)),
        });
        match body {
            Ok(signature) => return Ok(signature),
            Err(trouble) => pause(terms, &mut budget, &redact(&url), trouble)?,
        }
    }
}

/// Sleeps before the next try, or gives the trouble back if there shall be none.
fn pause(terms: &Terms, budget: &mut Budget, url: &str, trouble: Trouble) -> Result<(), Trouble> {
    if verdict(&trouble) != Verdict::Retry {
        return Err(trouble);
    }
    // Without chance the pauses are only less spread.
    let Some(pause) = budget.pause(Instant::now(), random().unwrap_or(0)) else {
        return Err(trouble);
    };
    log::warn!("{url}: {trouble}; again in {:.1} s", pause.as_secs_f32());
    pause_or_stop(terms.stop, pause)
}

/// A pause that the order to stop ends.
///
/// # Errors
/// The order to stop.
pub fn pause_or_stop(stop: &Stop, time: Duration) -> Result<(), Trouble> {
    match stop.sleep(time) {
        Ok(WaitResult::Interrupted) => Err(Failure::Interrupted.into()),
        Ok(_) => Ok(()),
        Err(e) => Err(Trouble::Local(Error::with_source(
            Kind::InvalidInput,
            "wait",
            e,
        ))),
    }
}

/// A file under way.
struct Transfer<'a> {
    web: &'a Web,
    terms: &'a Terms<'a>,
    url: &'a str,
    file: &'a File,
    held: Held,
    /// The most bytes that any attempt had: going over the same ground again is no progress.
    furthest: u64,
    restarts: u32,
}

impl Transfer<'_> {
    /// One go at what is missing.
    fn attempt(&mut self, budget: &mut Budget) -> Result<(), Trouble> {
        let (mut answer, mut held) = self.ask()?;
        let doing = || "write the download to the cache's directory";
        let begin = |mut file: &File| {
            file.set_len(held.got)?;
            file.seek(SeekFrom::Start(held.got))
        };
        begin(self.file).context(doing).map_err(Trouble::Local)?;
        self.held = held.clone();

        let mut reporter = Reporter::new(held.got, Instant::now());
        let mut floor = Floor::new(self.terms.least, Instant::now());
        let mut buffer = vec![0; 64 * 1024];
        let mut body = answer.reader();
        let ended = loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break None,
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => break Some(Failure::from(e)),
            };
            held.got += read as u64;
            if held.got > self.terms.limit {
                let limit = self.terms.limit;
                return Err(Trouble::TooLarge { limit });
            }
            let mut file = self.file;
            file.write_all(&buffer[..read])
                .context(doing)
                .map_err(Trouble::Local)?;
            self.held.got = held.got;
            let now = Instant::now();
            if held.got >= self.furthest + PROGRESS {
                self.furthest = held.got;
                budget.progressed(now);
            }
            reporter.at(held.got, held.total, now);
            if !floor.add(read as u64, now) {
                return Err(Trouble::TooSlow(self.terms.least));
            }
        };
        match (ended, held.total) {
            (Some(Failure::Network(_)) | None, Some(of)) if held.got < of => {
                Err(Trouble::CutShort { got: held.got, of })
            }
            (Some(failure), _) => Err(failure.into()),
            // A part in chunks has no length of its own to end it.
            (None, Some(of)) if held.got > of => Err(Trouble::Web(Failure::Protocol(format!(
                "the server sent more than the {of} bytes that it said"
            )))),
            (None, _) => Ok(()),
        }
    }

    /// Asks for the rest if there is a rest to ask for, else for all of it.
    fn ask(&mut self) -> Result<(Answer, Held), Trouble> {
        loop {
            let request = self.held.request();
            let headers: Vec<(&str, &str)> = match &request {
                Some((range, validator)) => vec![("Range", range), ("If-Range", validator)],
                None => Vec::new(),
            };
            let answer = self.web.get(self.url, &headers)?;
            let head = Head {
                status: answer.status(),
                length: answer.header("content-length"),
                range: answer.header("content-range"),
                encoding: answer.header("content-encoding"),
                etag: answer.header("etag"),
                modified: answer.header("last-modified"),
            };
            match judge(&head, &self.held, self.terms.limit)? {
                Next::Write(next) => {
                    // A server that knows no ranges sends the same file again: no restart to count.
                    if next.got == 0 && self.held.got > 0 && next.validator != self.held.validator {
                        self.restart("the file has changed")?;
                    }
                    return Ok((answer, next));
                }
                Next::StartOver(why) => self.restart(why)?,
            }
        }
    }

    fn restart(&mut self, why: &str) -> Result<(), Trouble> {
        self.restarts += 1;
        if self.restarts > RESTARTS {
            return Err(Trouble::Restless);
        }
        log::warn!("{}: {why}; from the beginning", redact(self.url));
        self.held = Held::default();
        Ok(())
    }
}
