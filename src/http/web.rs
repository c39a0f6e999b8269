//! The client for the outside: GET and PUT over HTTP/1.1, through the proxies of the
//! configuration, every wait bounded, redirects followed but never from `https` to `http`.

use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderMap, Response, Uri};
use ureq::unversioned::transport::{ConnectProxyConnector, Connector};
use ureq::{Agent, Body};

use super::failure::Failure;
use super::proxy::Proxies;
use super::resolve::StoppableResolver;
use super::tls::{TlsConnector, client_config};
use super::transport::TcpConnector;
use super::url::{parse, redirect};
use crate::config::Config;
use crate::error::Result;
use crate::sys::signal::Stop;
use crate::types::Root;

/// As many hops as a request follows.
const REDIRECTS: usize = 5;

/// How long each part of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// To resolve the name.
    pub resolve: Duration,
    /// To connect: TCP, the proxy, TLS.
    pub connect: Duration,
    /// To send the request.
    pub send: Duration,
    /// Until the answer's head is there.
    pub head: Duration,
    /// Between two reads of the body.
    pub read: Duration,
    /// For all of it; `None` for a body of any size, which has its own least progress.
    pub total: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            resolve: Duration::from_secs(15),
            connect: Duration::from_secs(20),
            send: Duration::from_secs(20),
            head: Duration::from_secs(30),
            read: Duration::from_secs(30),
            total: None,
        }
    }
}

/// A client. Connections are not kept: there are three requests in a program's life.
#[derive(Debug)]
pub struct Web {
    agent: Agent,
    proxies: Proxies,
}

/// An answer: status and head are there, the body is yet to be read.
#[derive(Debug)]
pub struct Answer(Response<Body>);

impl Web {
    /// A client as the configuration wants it; `stop` ends every wait.
    ///
    /// # Errors
    /// A proxy URL or a CA bundle that cannot be used.
    pub fn new(config: &Config, limits: Limits, stop: Stop) -> Result<Web> {
        let tls = client_config(&config.root, config.web.ca_bundle.as_ref())?;
        Ok(Web {
            agent: agent(limits, stop, TlsConnector::new(tls)),
            proxies: Proxies::new(&config.web)?,
        })
    }

    /// A client that asks no proxy and trusts only the compiled-in roots: for the link-local IMDS.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn direct(limits: Limits, stop: Stop) -> Result<Web> {
        Ok(Web {
            agent: agent(
                limits,
                stop,
                TlsConnector::new(client_config(&Root::default(), None)?),
            ),
            proxies: Proxies::default(),
        })
    }

    /// GETs a URL, along its redirects.
    ///
    /// # Errors
    /// Anything that left us without an answer. A status of 400 or more is an answer.
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, Failure> {
        let mut uri = parse(url)?;
        for _ in 0..=REDIRECTS {
            let answer = self.once(&uri, headers)?;
            match redirect(&uri, answer.status(), answer.header("location"))? {
                Some(next) => uri = next,
                None => return Ok(answer),
            }
        }
        Err(Failure::Protocol(format!(
            "redirected more than {REDIRECTS} times"
        )))
    }

    /// GETs a URL; a redirect is an answer. For a signed request: the signature is for this host,
    /// and what is in its headers is for nobody else.
    ///
    /// # Errors
    /// As [`Web::get`].
    pub fn get_here(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, Failure> {
        self.once(&parse(url)?, headers)
    }

    fn once(&self, uri: &Uri, headers: &[(&str, &str)]) -> Result<Answer, Failure> {
        let mut request = self
            .agent
            .get(uri.clone())
            .config()
            .proxy(self.proxies.of(uri).cloned())
            .build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(Answer(request.call()?))
    }

    /// PUTs nothing to a URL, with these headers. Redirects are not followed.
    ///
    /// # Errors
    /// As [`Web::get`].
    pub fn put(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, Failure> {
        let uri = parse(url)?;
        let mut request = self
            .agent
            .put(uri.clone())
            .config()
            .proxy(self.proxies.of(&uri).cloned())
            .build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(Answer(request.send_empty()?))
    }
}

fn agent(limits: Limits, stop: Stop, tls: TlsConnector) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // Redirects are ours to follow: each hop may need another proxy, and must not leave TLS.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("ecs-init/", env!("CARGO_PKG_VERSION")))
        // What is fetched is signed as it is: no transfer may re-code it.
        .accept_encoding("identity")
        .timeout_resolve(Some(limits.resolve))
        .timeout_connect(Some(limits.connect))
        .timeout_send_request(Some(limits.send))
        .timeout_send_body(Some(limits.send))
        .timeout_recv_response(Some(limits.head))
        .timeout_per_read(Some(limits.read))
        .timeout_per_write(Some(limits.send))
        .timeout_global(limits.total)
        .max_idle_connections(0)
        .input_buffer_size(64 * 1024)
        .build();
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector { stop: stop.clone() })
            .chain(tls);
    Agent::with_parts(config, connector, StoppableResolver::new(stop))
}

impl Answer {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// A header's value; `None` also for one that is no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The body, as it comes in. Read errors carry what [`Failure`] unpacks.
    pub fn reader(&mut self) -> impl Read {
        self.0.body_mut().as_reader()
    }

    /// The whole body, if it is no longer than `limit` bytes.
    ///
    /// # Errors
    /// A longer body, or one that did not arrive whole.
    pub fn read_all(mut self, limit: u64) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        self.reader().take(limit + 1).read_to_end(&mut body)?;
        if body.len() as u64 > limit {
            return Err(Failure::Protocol(format!(
                "the answer is longer than {limit} bytes"
            )));
        }
        Ok(body)
    }
}
