//! An HTTP client for GET and PUT: through the configured proxies, every wait limited, redirects
//! followed but never from `https` to `http`.

use std::io::{self, Read};
use std::time::Duration;

use ureq::http::{self, Method, Uri};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Body, BodyReader};

use super::error::HttpError;
use super::proxy::Proxies;
use super::resolve::StoppableResolver;
use super::tls::{TlsConnector, client_config};
use super::transport::TcpConnector;
use super::url::{parse, redact, redirect};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::sys::signal::Stop;
use crate::types::Root;

/// How many redirects a request follows.
const MAX_REDIRECTS: usize = 5;

/// How long each part of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To resolve the host name.
    pub resolve: Duration,
    /// To connect: TCP, the proxy, TLS.
    pub connect: Duration,
    /// To send the request.
    pub send: Duration,
    /// Until the response's head has arrived.
    pub head: Duration,
    /// Between two reads of the body.
    pub read: Duration,
    /// For the whole request; `None` for bodies of any size.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            resolve: Duration::from_secs(15),
            connect: Duration::from_secs(20),
            send: Duration::from_secs(20),
            head: Duration::from_secs(30),
            read: Duration::from_secs(30),
            total: None,
        }
    }
}

/// An HTTP client. It does not reuse connections: the program sends few requests.
#[derive(Debug)]
pub struct Client {
    http_agent: Agent,
    proxies: Proxies,
}

/// A response whose head has arrived.
#[derive(Debug)]
pub struct Response {
    response: http::Response<Body>,
    request: String,
}

/// The body of a response.
pub struct ResponseBody {
    reader: BodyReader<'static>,
    request: String,
}

impl Client {
    /// A client with the configured proxies and CA bundle. `stop` ends every wait.
    ///
    /// # Errors
    /// A proxy URL or the CA bundle is invalid.
    pub fn new(config: &Config, timeouts: Timeouts, stop: &Stop) -> Result<Client> {
        let tls = client_config(&config.root, config.web.ca_bundle.as_ref())?;
        Ok(Client {
            http_agent: http_agent(timeouts, stop, TlsConnector(tls)),
            proxies: Proxies::new(&config.web)?,
        })
    }

    /// A client without a proxy and with the compiled-in roots only, for the link-local IMDS.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn direct(timeouts: Timeouts, stop: &Stop) -> Result<Client> {
        let tls = client_config(&Root::default(), None)?;
        Ok(Client {
            http_agent: http_agent(timeouts, stop, TlsConnector(tls)),
            proxies: Proxies::default(),
        })
    }

    /// Sends a GET request and follows redirects.
    ///
    /// # Errors
    /// No response arrived: an [`HttpError`]. Every status is a response.
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let request = format!("GET {}", redact(url));
        let follow = || {
            let mut uri = parse(url)?;
            for _ in 0..=MAX_REDIRECTS {
                let response = self.send(Method::GET, &uri, headers)?;
                let location = response.headers().get("location");
                let location = location.and_then(|value| value.to_str().ok());
                match redirect(&uri, response.status().as_u16(), location)? {
                    Some(next) => uri = next,
                    None => return Ok(response),
                }
            }
            Err(HttpError::Protocol(format!(
                "redirected more than {MAX_REDIRECTS} times"
            )))
        };
        Response::new(request, follow())
    }

    /// Sends a GET request and returns a redirect as it is: a signature is valid for one host
    /// only, and its headers must not reach another.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn get_no_redirect(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let response = parse(url).and_then(|uri| self.send(Method::GET, &uri, headers));
        Response::new(format!("GET {}", redact(url)), response)
    }

    /// Sends a PUT request with an empty body. Does not follow redirects.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn put(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let response = parse(url).and_then(|uri| self.send(Method::PUT, &uri, headers));
        Response::new(format!("PUT {}", redact(url)), response)
    }

    fn send(
        &self,
        method: Method,
        uri: &Uri,
        headers: &[(&str, &str)],
    ) -> Result<http::Response<Body>, HttpError> {
        let mut request = http::Request::builder().method(&method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == Method::PUT {
            request = request.header("content-length", 0);
        }
        let request = request.body(()).map_err(ureq::Error::from)?;
        let proxy = self.proxies.for_uri(uri).cloned();
        let request = self
            .http_agent
            .configure_request(request)
            .proxy(proxy)
            .build();
        Ok(self.http_agent.run(request)?)
    }
}

fn http_agent(timeouts: Timeouts, stop: &Stop, tls: TlsConnector) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // `Client::get` follows redirects: each hop may need another proxy, and must keep TLS.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("ecs-init/", env!("CARGO_PKG_VERSION")))
        // The signature is over the bytes as they are stored.
        .accept_encoding("identity")
        .timeout_resolve(Some(timeouts.resolve))
        .timeout_connect(Some(timeouts.connect))
        .timeout_send_request(Some(timeouts.send))
        .timeout_send_body(Some(timeouts.send))
        .timeout_recv_response(Some(timeouts.head))
        .timeout_per_read(Some(timeouts.read))
        .timeout_per_write(Some(timeouts.send))
        .timeout_global(timeouts.total)
        .max_idle_connections(0)
        .input_buffer_size(64 * 1024)
        .build();
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector { stop: stop.clone() })
            .chain(tls);
    Agent::with_parts(config, connector, StoppableResolver(stop.clone()))
}

impl Response {
    fn new(request: String, response: Result<http::Response<Body>, HttpError>) -> Result<Response> {
        match response {
            Ok(response) => Ok(Response { response, request }),
            Err(error) => Err(error.of_request(&request)),
        }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header's value; `None` also if it is not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// `Content-Length`.
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// The response itself if its status is 200.
    ///
    /// # Errors
    /// [`HttpError::Status`] for any other status.
    pub fn require_ok(self) -> Result<Response> {
        match self.status() {
            200 => Ok(self),
            status => Err(self.error(HttpError::Status(status))),
        }
    }

    /// An error of this request.
    pub fn error(&self, error: HttpError) -> Error {
        error.of_request(&self.request)
    }

    /// The body, to be read piece by piece.
    pub fn into_body(self) -> ResponseBody {
        ResponseBody {
            reader: self.response.into_body().into_reader(),
            request: self.request,
        }
    }

    /// The whole body, at most `limit` bytes.
    ///
    /// # Errors
    /// The body is longer, or did not arrive completely.
    pub fn read_all(self, limit: u64) -> Result<Vec<u8>> {
        let length = self.content_length();
        let ResponseBody { reader, request } = self.into_body();
        let mut body = Vec::new();
        reader
            .take(limit + 1)
            .read_to_end(&mut body)
            .map_err(|e| HttpError::from(e).of_request(&request))?;
        let got = body.len() as u64;
        if got > limit {
            let message = format!("{request}: the response is larger than {limit} bytes");
            return Err(Error::invalid(message));
        }
        match length {
            Some(length) if got < length => Err(truncated_body(&request, got, length)),
            _ => Ok(body),
        }
    }
}

/// The error of a body that ended early.
fn truncated_body(request: &str, got: u64, length: u64) -> Error {
    let message = format!("{request}: the transfer ended after {got} of {length} bytes");
    Error::new(Kind::Transient, message)
}

impl ResponseBody {
    /// Reads the next bytes into `buffer`; 0 at the end.
    ///
    /// # Errors
    /// An [`HttpError`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted && e.get_ref().is_none() => {}
                result => return result.map_err(|e| HttpError::from(e).of_request(&self.request)),
            }
        }
    }

    /// The error of a body that ended after `got` of `length` bytes.
    pub fn truncated_body(&self, got: u64, length: u64) -> Error {
        truncated_body(&self.request, got, length)
    }

    /// An error of this request.
    pub fn error(&self, kind: Kind, message: &str) -> Error {
        Error::new(kind, format!("{}: {message}", self.request))
    }
}
