//! One request to dockerd and its response: path, timeout and size limit of every call.

use std::io::{self, Read};
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Agent, Body, SendBody};

use super::error::{ApiError, disconnected};
use crate::error::{Error, Kind, Result};

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Timeout {
    /// For the whole call, from the connect to the last byte of the response.
    Total(Duration),
    /// For each single read and write.
    Idle(Duration),
    /// For the connect only.
    Connect,
}

/// For queries, which dockerd answers from memory.
pub(super) const QUERY: Timeout = Timeout::Total(Duration::from_secs(30));
/// For changes to a container or an image, which wait for disk, kernel and runtime.
pub(super) const CHANGE: Timeout = Timeout::Total(Duration::from_secs(120));

/// For a connect, where [`Timeout`] does not limit it: the socket is local.
const CONNECT: Duration = Duration::from_secs(30);

/// A request that was not sent yet.
pub(super) struct Call<'a> {
    pub(super) http_agent: &'a Agent,
    pub(super) method: Method,
    /// From the slash on, with the query, percent-encoded.
    pub(super) path: String,
    pub(super) timeout: Timeout,
    /// The longest response that is read, in bytes; a longer one is an error.
    pub(super) size_limit: u64,
}

/// What the request sends.
pub(super) enum Payload<'a> {
    Nothing,
    /// No body; the value of the header `X-Registry-Auth`.
    RegistryAuth(&'a str),
    Json(&'a [u8]),
    /// A tar and its length in bytes.
    Tar(&'a mut dyn Read, u64),
}

impl Call<'_> {
    /// Sends the request and waits for the head of the response, whatever its status.
    ///
    /// # Errors
    /// [`super::Disconnected`], an interrupt, or that the tar could not be read.
    pub(super) fn send(&self, payload: Payload<'_>) -> Result<Response<Body>> {
        let content = |kind| ("content-type", kind);
        match payload {
            // Proxies of the socket require a length for every POST.
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
                let mut exact = ExactReader {
                    reader,
                    left: len,
                    error: None,
                };
                let body = SendBody::from_reader(&mut exact);
                let sent = self.run(body, Some(content("application/x-tar")), Some(len));
                match exact.error {
                    // This error is the cause: the HTTP client then closed the connection.
                    Some(e) => Err(Error::with_source(Kind::Io, "read the image", e)),
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
            let context = format!("build the request {}", self.path);
            Error::with_source(Kind::InvalidInput, context, e)
        })?;
        let config = self.http_agent.configure_request(request);
        let request = match self.timeout {
            Timeout::Total(time) => config.timeout_global(Some(time)),
            Timeout::Idle(time) => config
                .timeout_connect(Some(CONNECT))
                .timeout_per_read(Some(time))
                .timeout_per_write(Some(time)),
            Timeout::Connect => config.timeout_connect(Some(CONNECT)),
        };
        self.http_agent
            .run(request.build())
            .map_err(|e| disconnected(e.into_io()))
    }

    /// The status and the whole body.
    ///
    /// # Errors
    /// As [`Call::send`] and [`Call::read`].
    pub(super) fn response(&self, payload: Payload<'_>) -> Result<(StatusCode, Vec<u8>)> {
        let response = self.send(payload)?;
        let status = response.status();
        Ok((status, self.read(response)?))
    }

    /// The body of a response.
    ///
    /// # Errors
    /// The connection ended, or the body is longer than the limit.
    pub(super) fn read(&self, response: Response<Body>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let reader = response.into_body().into_reader();
        reader
            .take(self.size_limit + 1)
            .read_to_end(&mut bytes)
            .map_err(disconnected)?;
        if bytes.len() as u64 > self.size_limit {
            let (path, limit) = (&self.path, self.size_limit);
            return Err(Error::invalid(format!(
                "dockerd's response to {path} is longer than {limit} bytes"
            )));
        }
        Ok(bytes)
    }

    /// The body of a response with status 2xx.
    ///
    /// # Errors
    /// [`ApiError`] for any other status, and those of [`Call::response`].
    pub(super) fn succeed(&self, payload: Payload<'_>) -> Result<Vec<u8>> {
        match self.response(payload)? {
            (status, body) if status.is_success() => Ok(body),
            (status, body) => Err(api_error(status, &body)),
        }
    }

    /// As [`Call::succeed`], and `None` for 404.
    pub(super) fn find<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        match self.response(Payload::Nothing)? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) if status.is_success() => parse(&body).map(Some),
            (status, body) => Err(api_error(status, &body)),
        }
    }

    /// As [`Call::succeed`]; these other statuses mean success, too.
    pub(super) fn succeed_or(&self, also: &[StatusCode]) -> Result<()> {
        match self.response(Payload::Nothing)? {
            (status, _) if status.is_success() || also.contains(&status) => Ok(()),
            (status, body) => Err(api_error(status, &body)),
        }
    }
}

/// A response with an error status as an error.
pub(super) fn api_error(status: StatusCode, body: &[u8]) -> Error {
    ApiError::from_body(status.as_u16(), body).into()
}

/// Decodes dockerd's JSON.
///
/// # Errors
/// The JSON does not match the Engine API.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|e| {
        let context = "dockerd's response does not match the Engine API";
        Error::with_source(Kind::InvalidInput, context, e)
    })
}

/// Reads exactly `left` bytes, the Content-Length of the request: a shorter source is an error.
struct ExactReader<'a> {
    reader: &'a mut dyn Read,
    left: u64,
    /// Why reading failed; the HTTP client reports only the closed connection.
    error: Option<io::Error>,
}

impl Read for ExactReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        if most == 0 {
            return Ok(0);
        }
        let error = match self.reader.read(&mut buf[..most]) {
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
        let kind = error.kind();
        self.error = Some(error);
        Err(kind.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact_reader(reader: &mut dyn Read, left: u64) -> ExactReader<'_> {
        ExactReader {
            reader,
            left,
            error: None,
        }
    }

    #[test]
    fn exact_reader_rejects_short_source_and_cuts_long_one() {
        let mut out = Vec::new();
        let mut short: &[u8] = b"abc";
        let mut exact = exact_reader(&mut short, 5);
        assert!(exact.read_to_end(&mut out).is_err());
        let error = exact.error.expect("the error is kept");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);

        let (mut long, mut out): (&[u8], _) = (b"abcdef", Vec::new());
        let mut exact = exact_reader(&mut long, 4);
        exact.read_to_end(&mut out).unwrap();
        assert_eq!(out, b"abcd");
    }
}
