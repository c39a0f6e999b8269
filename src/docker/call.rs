//! One request and its answer: where every call's path, patience and size limit meet.

use std::io::{self, Read};
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Agent, Body, SendBody};

use super::error::{ApiError, Lost};
use crate::error::{Error, Kind, Result};
use crate::http::transport::was_stopped;

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// The whole call, from the connect to the answer's last byte.
    Within(Duration),
    /// Each single read and write; the call may take as long as something moves.
    Stalled(Duration),
    /// No limit but the connect's: only the answer, a lost connection or a signal ends the call.
    Endless,
}

/// Questions, which dockerd answers from memory.
pub(super) const SHORT: Patience = Patience::Within(Duration::from_secs(30));
/// Work on a container, which waits for disks, the kernel and the runtime.
pub(super) const WORK: Patience = Patience::Within(Duration::from_secs(120));

/// A request under way.
pub(super) struct Call<'a> {
    pub(super) agent: &'a Agent,
    pub(super) method: Method,
    /// With the query, from the slash on, encoded.
    pub(super) path: String,
    pub(super) patience: Patience,
    /// Bytes of the answer that are read at most; more is an error.
    pub(super) limit: u64,
}

/// What is sent along.
pub(super) enum Payload<'a> {
    Nothing,
    /// Nothing but credentials for a registry: the value of `X-Registry-Auth`.
    RegistryAuth(&'a str),
    Json(&'a [u8]),
    /// So many bytes of a tar.
    Tar(&'a mut dyn Read, u64),
}

impl Call<'_> {
    /// Sends the request; the answer's head has come, its body not yet.
    ///
    /// # Errors
    /// [`Lost`], or the order to stop. A status of any kind is no error here.
    pub(super) fn send(&self, payload: Payload<'_>) -> Result<Response<Body>> {
        let content = |kind| ("content-type", kind);
        match payload {
            // A POST without a body says so: proxies of the socket insist on a length.
            Payload::Nothing if self.method == Method::POST => {
                self.run(SendBody::none(), None, Some(0))
            }
            Payload::Nothing => self.run(SendBody::none(), None, None),
            Payload::RegistryAuth(auth) => {
                let header = ("x-registry-auth", auth);
                self.run(SendBody::none(), Some(header), Some(0))
            }
            Payload::Json(mut json) => {
                let (kind, len) = (content("application/json"), json.len() as u64);
                self.run(SendBody::from_reader(&mut json), Some(kind), Some(len))
            }
            Payload::Tar(reader, len) => {
                let mut exact = Exact::new(reader, len);
                let body = SendBody::from_reader(&mut exact);
                let sent = self.run(body, Some(content("application/x-tar")), Some(len));
                match exact.failed {
                    // Our own end failed: that is the cause, not the connection we then dropped.
                    Some(e) => Err(Error::with_source(Kind::InvalidInput, "read the image", e)),
                    None => sent,
                }
            }
        }
    }

    fn run(
        &self,
        body: SendBody<'_>,
        header: Option<(&str, &str)>,
        len: Option<u64>,
    ) -> Result<Response<Body>> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(format!("http://docker{}", self.path));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if let Some(len) = len {
            request = request.header("content-length", len);
        }
        let request = request.body(body).map_err(|e| {
            Error::with_source(
                Kind::InvalidInput,
                format!("make the request {}", self.path),
                e,
            )
        })?;
        let config = self.agent.configure_request(request);
        let request = match self.patience {
            Patience::Within(time) => config.timeout_global(Some(time)),
            Patience::Stalled(time) => config
                .timeout_connect(Some(CONNECT))
                .timeout_per_read(Some(time))
                .timeout_per_write(Some(time)),
            Patience::Endless => config.timeout_connect(Some(CONNECT)),
        };
        self.agent
            .run(request.build())
            .map_err(|e| lost(e.into_io()))
    }

    /// The status and the whole body, at most `limit` bytes of it.
    pub(super) fn answer(&self, payload: Payload<'_>) -> Result<(StatusCode, Vec<u8>)> {
        let response = self.send(payload)?;
        let status = response.status();
        Ok((status, self.read(response)?))
    }

    /// The body of an answer.
    pub(super) fn read(&self, response: Response<Body>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let reader = response.into_body().into_reader();
        reader
            .take(self.limit + 1)
            .read_to_end(&mut bytes)
            .map_err(lost)?;
        if bytes.len() as u64 > self.limit {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "dockerd's answer to {} is longer than {} bytes",
                    self.path, self.limit
                ),
            ));
        }
        Ok(bytes)
    }

    /// The answer to a request that must succeed.
    ///
    /// # Errors
    /// [`ApiError`] for a status that is not 2xx, and those of [`Call::send`].
    pub(super) fn succeed(&self, payload: Payload<'_>) -> Result<Vec<u8>> {
        let (status, body) = self.answer(payload)?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(refused(status, &body))
        }
    }

    /// Like [`Call::succeed`]; 404 is `None`.
    pub(super) fn find(&self) -> Result<Option<Vec<u8>>> {
        match self.answer(Payload::Nothing)? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) if status.is_success() => Ok(Some(body)),
            (status, body) => Err(refused(status, &body)),
        }
    }
}

/// The peer is on this machine: a connect that takes longer will not come about.
const CONNECT: Duration = Duration::from_secs(30);

/// A refusal as an error.
pub(super) fn refused(status: StatusCode, body: &[u8]) -> Error {
    let cause = ApiError::from_body(status.as_u16(), body);
    Error::with_source(
        Kind::InvalidInput,
        format!("dockerd answered {}", cause.status),
        cause,
    )
}

/// A failed exchange as an error: the order to stop is told from a lost connection.
pub(super) fn lost(e: io::Error) -> Error {
    if was_stopped(&e) {
        Error::interrupted()
    } else {
        Error::with_source(Kind::InvalidInput, "no answer from dockerd", Lost(e))
    }
}

/// dockerd's JSON.
///
/// # Errors
/// If it is not what the Engine API documents.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|e| {
        Error::with_source(
            Kind::InvalidInput,
            "dockerd's answer is not what the Engine API documents",
            e,
        )
    })
}

/// One segment of a path or one value of a query, percent-encoded (RFC 3986, 2.1).
pub(super) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(b as char);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// Exactly so many bytes of a reader. An early end is an error: the request has promised them.
struct Exact<'a> {
    reader: &'a mut dyn Read,
    left: u64,
    /// Why reading failed, kept for the one who asked for the call.
    failed: Option<io::Error>,
}

impl<'a> Exact<'a> {
    fn new(reader: &'a mut dyn Read, len: u64) -> Self {
        Exact {
            reader,
            left: len,
            failed: None,
        }
    }
}

impl Read for Exact<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        if most == 0 {
            return Ok(0);
        }
        let failed = match self.reader.read(&mut buf[..most]) {
            Ok(0) => io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("it ends {} bytes early", self.left),
            ),
            Ok(n) => {
                self.left -= n as u64;
                return Ok(n);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return self.read(buf),
            Err(e) => e,
        };
        let kind = failed.kind();
        self.failed = Some(failed);
        Err(kind.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_cannot_hold_is_encoded() {
        assert_eq!(encode("ecs-agent_1.~"), "ecs-agent_1.~");
        assert_eq!(encode("a/b c?{\"é"), "a%2Fb%20c%3F%7B%22%C3%A9");
    }

    #[test]
    fn a_short_reader_is_an_error_and_a_long_one_is_cut() {
        let mut out = Vec::new();
        let mut short: &[u8] = b"abc";
        let mut exact = Exact::new(&mut short, 5);
        assert!(exact.read_to_end(&mut out).is_err());
        let why = exact.failed.expect("the reason is kept").to_string();
        assert_eq!(why, "it ends 2 bytes early");

        let (mut long, mut out): (&[u8], _) = (b"abcdef", Vec::new());
        let mut exact = Exact::new(&mut long, 4);
        exact.read_to_end(&mut out).unwrap();
        assert_eq!(out, b"abcd");
    }
}
