//! A client of the Docker Engine over its Unix socket, with only those calls and fields of the
//! Engine API that ecs-init uses.
//!
//! HTTP/1.1 by `ureq`, one connection per call: a pooled one would be dead after each restart of
//! dockerd, and calls are rare. [`Docker::connect`] negotiates the API version, and the path of
//! every call starts with it. Responses have a size limit; unknown fields are ignored, missing
//! ones get their default.
//!
//! | module | content |
//! |---|---|
//! | [`version`] | which API version to use |
//! | [`spec`] | the container to create |
//! | [`images`], [`pull`], [`containers`], [`networks`] | the calls |
//! | [`credentials`] | a registry's credentials in Docker's `config.json` |
//! | [`error`] | the errors: an error response, or no response |
//! | [`frames`] | removes the frames of a container's output |

mod call;
pub(crate) mod containers;
pub(crate) mod credentials;
mod error;
mod frames;
pub(crate) mod images;
mod networks;
mod pull;
pub mod spec;
mod version;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer};
use ureq::Agent;
use ureq::config::AutoHeaderValue;
use ureq::http::Method;

pub(crate) use containers::Container;
pub use error::{ApiError, Disconnected};
pub use version::ApiVersion;

use crate::error::{Context, Error, Result};
use crate::http::transport::{NoResolver, UnixConnector};
use crate::retry::{self, Retry, RetryLimit, RetryPolicy};
use crate::sys::signal::Stop;
use call::{Call, Payload, Timeout};

/// A client of one dockerd. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Docker {
    http_agent: Agent,
    socket: PathBuf,
    stop: Stop,
    version: ApiVersion,
}

/// The longest response of a call that returns a few lines of JSON, in bytes.
const SMALL: u64 = 1 << 20;
/// The longest response of a call that returns a list or a log, in bytes.
const LARGE: u64 = 16 << 20;

/// For a ping. systemd's socket activation accepts connections before dockerd answers them.
const PING: Duration = Duration::from_secs(10);

impl Docker {
    /// Connects to the dockerd at `socket` and negotiates an API version. Waits up to `limit` for
    /// a dockerd that does not run yet. `stop` ends this wait and every later call.
    ///
    /// # Errors
    /// dockerd did not answer within `limit`, access is denied, or dockerd and ecs-init have no API
    /// version in common.
    pub fn connect(socket: &Path, limit: Duration, stop: &Stop) -> Result<Docker> {
        Docker::wait_for_daemon(socket, Some(limit), stop)
    }

    /// Waits without a limit for dockerd to come back, and negotiates the version again: it may
    /// have been upgraded.
    ///
    /// # Errors
    /// As [`Docker::connect`], except the timeout.
    pub fn reconnect(&self) -> Result<Docker> {
        Docker::wait_for_daemon(&self.socket, None, &self.stop)
    }

    /// As [`Docker::reconnect`], with a limit.
    ///
    /// # Errors
    /// As [`Docker::connect`].
    pub fn reconnect_within(&self, limit: Duration) -> Result<Docker> {
        Docker::wait_for_daemon(&self.socket, Some(limit), &self.stop)
    }

    /// The same client, not interrupted by signals: for the work after a signal.
    #[must_use]
    pub fn without_stop(&self) -> Docker {
        Docker {
            http_agent: http_agent(&self.socket, Stop::never()),
            stop: Stop::never(),
            ..self.clone()
        }
    }

    /// The negotiated API version.
    pub fn version(&self) -> ApiVersion {
        self.version
    }

    /// Whether dockerd answers within 10 s. A dockerd that shuts down closes its socket first and
    /// stops its containers afterwards.
    ///
    /// # Errors
    /// [`Disconnected`] if it does not answer, [`ApiError`] if it answers with an error.
    pub fn ping(&self) -> Result<()> {
        let call = Call {
            http_agent: &self.http_agent,
            method: Method::GET,
            path: "/_ping".into(),
            timeout: Timeout::Total(PING),
            size_limit: SMALL,
        };
        call.succeed(Payload::Nothing)
            .map(drop)
            .context(|| "ping dockerd")
    }

    fn wait_for_daemon(socket: &Path, limit: Option<Duration>, stop: &Stop) -> Result<Docker> {
        /// The time between two log lines about the wait.
        const LOG_INTERVAL: Duration = Duration::from_secs(15);
        let http_agent = http_agent(socket, stop.clone());
        let policy = RetryPolicy {
            first_pause: Duration::from_millis(100),
            max_pause: Duration::from_secs(2),
            jitter: (1.0, 1.0),
            limit: limit.map_or(RetryLimit::Unlimited, RetryLimit::Time),
        };
        let start = Instant::now();
        let (mut retry, mut next_log) = (Retry::new(policy, start), start);
        loop {
            let left = limit.map(|l| l.saturating_sub(start.elapsed()));
            let error = match negotiate(&http_agent, left) {
                Ok(version) => {
                    if next_log != start {
                        log::info!("dockerd at {} answers", socket.display());
                    }
                    return Ok(Docker {
                        http_agent,
                        socket: socket.to_owned(),
                        stop: stop.clone(),
                        version,
                    });
                }
                Err(e) => e,
            };
            let pause = retry.next_pause(Instant::now(), 0.0);
            let Some(pause) = pause.filter(|_| may_start(&error)) else {
                return Err(connect_error(error, socket, limit));
            };
            if Instant::now() >= next_log {
                let until = limit.map_or_else(String::new, |l| format!(", up to {l:?}"));
                log::info!(
                    "waiting for dockerd at {}{until}: {error}",
                    socket.display()
                );
                next_log = Instant::now() + LOG_INTERVAL;
            }
            retry::sleep(stop, pause)?;
        }
    }

    /// A call below `/v{version}`.
    fn call(&self, method: Method, path: &str, timeout: Timeout, limit: u64) -> Call<'_> {
        Call {
            http_agent: &self.http_agent,
            method,
            path: format!("/v{}{path}", self.version),
            timeout,
            size_limit: limit,
        }
    }

    fn get(&self, path: &str, limit: u64) -> Call<'_> {
        self.call(Method::GET, path, call::QUERY, limit)
    }
}

/// Negotiates the API version (`GET /_ping`, `GET /version`).
fn negotiate(http_agent: &Agent, left: Option<Duration>) -> Result<ApiVersion> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Version {
        api_version: String,
        /// Missing in Docker 1.12 and older, which support one version only.
        #[serde(rename = "MinAPIVersion")]
        min_api_version: Option<String>,
    }
    let time = left.map_or(PING, |l| l.clamp(Duration::from_secs(1), PING));
    let call = |path: &str| Call {
        http_agent,
        method: Method::GET,
        path: path.to_owned(),
        timeout: Timeout::Total(time),
        size_limit: SMALL,
    };
    let ping = call("/_ping");
    let response = ping.send(Payload::Nothing)?;
    let (status, header) = (
        response.status(),
        response.headers().get("api-version").cloned(),
    );
    let body = ping.read(response)?;
    if !status.is_success() {
        return Err(call::api_error(status, &body));
    }
    let max = header.as_ref().and_then(|h| h.to_str().ok());
    let max: Option<ApiVersion> = max.map(str::parse).transpose()?;
    // `GET /version` takes ten times as long as a ping, because dockerd runs its container runtimes
    // to answer it. A ping with a version that dockerd does not support returns 400.
    if let Some(best) = max.and_then(version::newest_up_to) {
        match call(&format!("/v{best}/_ping")).succeed(Payload::Nothing) {
            Ok(_) => return Ok(best),
            Err(e) if e.find::<ApiError>().is_some_and(|e| e.status == 400) => {}
            Err(e) => return Err(e),
        }
    }
    let version: Version = call::parse(&call("/version").succeed(Payload::Nothing)?)?;
    let max = match max {
        Some(max) => max,
        None => version.api_version.parse()?,
    };
    let min = version.min_api_version.map_or(Ok(max), |v| v.parse())?;
    version::newest_common(min, max)
}

/// Whether dockerd may answer later: it does not run yet, or it is starting.
fn may_start(error: &Error) -> bool {
    match (error.find::<Disconnected>(), error.find::<ApiError>()) {
        (Some(Disconnected(e)), _) => {
            let fatal = [ErrorKind::PermissionDenied, ErrorKind::InvalidInput];
            !fatal.contains(&e.kind())
        }
        (None, Some(e)) => (500..600).contains(&e.status),
        (None, None) => false,
    }
}

fn connect_error(error: Error, socket: &Path, limit: Option<Duration>) -> Error {
    if error.is_interrupted() {
        return error;
    }
    let denied = error
        .find::<Disconnected>()
        .is_some_and(|Disconnected(e)| e.kind() == ErrorKind::PermissionDenied);
    let socket = socket.display();
    let context = match limit {
        _ if denied => format!("no access to the Docker socket {socket}: run as root"),
        Some(limit) if may_start(&error) => format!(
            "dockerd at {socket} did not answer within {limit:?}: is it running, is DOCKER_HOST \
             right?"
        ),
        _ => format!("negotiate an API version with dockerd at {socket}"),
    };
    Error::with_source(error.kind(), context, error)
}

fn http_agent(socket: &Path, stop: Stop) -> Agent {
    let config = Agent::config_builder()
        // Ignores the proxy of the environment: the socket is local.
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .max_idle_connections_per_host(0)
        .input_buffer_size(16 << 10)
        .output_buffer_size(64 << 10)
        .accept_encoding(AutoHeaderValue::None)
        .user_agent(concat!("ecs-init/", env!("CARGO_PKG_VERSION")))
        .build();
    let path = socket.to_owned();
    Agent::with_parts(config, UnixConnector { path, stop }, NoResolver)
}

/// Decodes `null`, as Go encodes an empty list or map, as the default.
fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
