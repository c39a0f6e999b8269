//! Downloads a tar and its signature to a temporary file. An interrupted transfer is resumed;
//! memory use is one buffer.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::Instant;

use super::options::{FetchOptions, Throughput};
use super::progress::ProgressLog;
use super::resume::{Head, ResumeAction, ResumeState, classify_response, too_large};
use super::urls::Candidate;
use crate::error::{Context, Error, Kind, Result};
use crate::fs::TempFile;
use crate::http::url::redact;
use crate::http::{Client, Response};
use crate::retry::{self, Retry};
use crate::sys::signal::Stop;
use crate::types::{SIGNATURE_LIMIT, TarSource, UnverifiedTar};

/// The maximum number of restarts of a download, because the file changed or because the response
/// does not continue it. The next source is used afterwards.
const MAX_RESTARTS: u32 = 3;
/// How many bytes more than in any earlier attempt count as progress.
const PROGRESS: u64 = 1 << 20;

/// A download and its signature, not verified. Dropping it removes the file, unless the cache
/// stored it.
pub type Download = UnverifiedTar<TempFile>;

/// Downloads the signature and then the tar into `temp`.
///
/// # Errors
/// This source does not have both. After [`Kind::Io`] and [`Kind::Interrupted`], other sources
/// would fail, too.
pub fn tar(
    client: &Client,
    options: &FetchOptions,
    stop: &Stop,
    from: &Candidate,
    temp: TempFile,
) -> Result<Download> {
    let mut signature = signature(client, options, stop, from)?;
    let shown = redact(&from.url);
    log::info!("downloading {shown}");
    let mut transfer = Transfer {
        client,
        options,
        url: &from.url,
        file: temp.file(),
        state: ResumeState::default(),
        max_received: 0,
        restarts: 0,
    };
    let attempt = |retry: &mut Retry| transfer.attempt(retry);
    options.retry.run(stop, attempt, retry::log_retry)?;
    if transfer.restarts > 0 {
        // The file was replaced during the download: the first signature is of the old version.
        signature = self::signature(client, options, stop, from)?;
    }
    log::info!("downloaded {shown}: {} bytes", transfer.state.received);
    let source = TarSource::Url(shown);
    Ok(UnverifiedTar::new(temp, Some(signature), source))
}

/// Downloads the detached signature of a tar.
///
/// # Errors
/// This source does not have it.
pub fn signature(
    client: &Client,
    options: &FetchOptions,
    stop: &Stop,
    of: &Candidate,
) -> Result<Vec<u8>> {
    let url = of.signature_url();
    let attempt = |_: &mut Retry| {
        let response = client.get(&url, &[])?.require_ok()?;
        response.read_all(SIGNATURE_LIMIT)
    };
    options.retry.run(stop, attempt, retry::log_retry)
}

/// A tar in transfer.
struct Transfer<'a> {
    client: &'a Client,
    options: &'a FetchOptions,
    url: &'a str,
    file: &'a File,
    state: ResumeState,
    /// The most bytes that any attempt received: receiving them again is not progress.
    max_received: u64,
    restarts: u32,
}

impl Transfer<'_> {
    /// One request for the missing bytes.
    fn attempt(&mut self, retry: &mut Retry) -> Result<()> {
        let (response, mut state) = self.request()?;
        let context = || "write the download to the cache's directory";
        let mut file = self.file;
        file.set_len(state.received)
            .and_then(|()| file.seek(SeekFrom::Start(state.received)))
            .context(context)?;
        self.state = state.clone();

        let mut progress = ProgressLog::new(state.received, Instant::now());
        let mut throughput = Throughput::new(self.options.min_throughput, Instant::now());
        let mut buffer = vec![0; 64 * 1024];
        let mut body = response.into_body();
        loop {
            let read = match (body.read(&mut buffer), state.total) {
                (Ok(0), _) => break,
                (Err(e), Some(total)) if e.kind() == Kind::Transient && state.received < total => {
                    let (received, kind) = (state.received, e.kind());
                    let message = format!("the transfer ended after {received} of {total} bytes");
                    return Err(Error::with_source(kind, message, e));
                }
                (read, _) => read?,
            };
            state.received += read as u64;
            if state.received > self.options.size_limit {
                return Err(body.error(Kind::InvalidInput, &too_large(self.options.size_limit)));
            }
            file.write_all(&buffer[..read]).context(context)?;
            self.state.received = state.received;
            let now = Instant::now();
            if state.received >= self.max_received + PROGRESS {
                self.max_received = state.received;
                retry.progressed(now);
            }
            progress.update(state.received, state.total, now);
            if !throughput.add(read as u64, now) {
                let min = self.options.min_throughput;
                let (bytes, seconds) = (min.bytes, min.interval.as_secs());
                let message = format!("received less than {bytes} bytes in {seconds} s");
                return Err(body.error(Kind::Transient, &message));
            }
        }
        match state.total {
            Some(total) if state.received < total => {
                Err(body.truncated_body(state.received, total))
            }
            // Possible with a chunked body, which is not limited by its length.
            Some(total) if state.received > total => {
                let message = format!("the server sent more than the {total} bytes it announced");
                Err(body.error(Kind::InvalidInput, &message))
            }
            _ => Ok(()),
        }
    }

    /// Requests the rest if it can be resumed, otherwise the whole file.
    fn request(&mut self) -> Result<(Response, ResumeState)> {
        loop {
            let range = self.state.range_headers();
            let headers: Vec<(&str, &str)> = match &range {
                Some((range, validator)) => vec![("Range", range), ("If-Range", validator)],
                None => Vec::new(),
            };
            let response = self.client.get(self.url, &headers)?;
            let head = Head {
                status: response.status(),
                content_length: response.content_length(),
                content_range: response.header("content-range"),
                content_encoding: response.header("content-encoding"),
                etag: response.header("etag"),
                last_modified: response.header("last-modified"),
            };
            let next = classify_response(&head, &self.state, self.options.size_limit)
                .map_err(|error| response.error(error))?;
            match next {
                ResumeAction::Write(next) => {
                    // A server without range support sends the same file again: not a restart.
                    if next.received == 0
                        && self.state.received > 0
                        && next.validator != self.state.validator
                    {
                        self.restart("the file has changed")?;
                    }
                    return Ok((response, next));
                }
                ResumeAction::StartOver(why) => self.restart(why)?,
            }
        }
    }

    fn restart(&mut self, why: &str) -> Result<()> {
        let url = redact(self.url);
        self.restarts += 1;
        if self.restarts > MAX_RESTARTS {
            let message = format!("{url} changed {MAX_RESTARTS} times during the download");
            return Err(Error::unavailable(message));
        }
        log::warn!("{url}: {why}; restarting the download");
        self.state = ResumeState::default();
        Ok(())
    }
}
