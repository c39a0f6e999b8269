//! The Docker Engine, over its Unix socket: the calls of the Engine API that we use, and the JSON
//! that we need of them.
//!
//! HTTP/1.1 by `ureq`, one connection a call: a pooled one would be dead after every restart of
//! dockerd, and a call is rare. The API version is negotiated once, by [`Docker::connect`], and
//! every path carries it. Answers are read leniently (unknown members ignored, missing ones
//! defaulted) and up to a size.
//!
//! | module | what it is |
//! |---|---|
//! | [`version`] | which API version (pure) |
//! | [`spec`] | the container to create, as data |
//! | [`images`], [`pull`], [`containers`], [`networks`] | the calls |
//! | [`credentials`] | a registry's, out of Docker's own configuration (pure) |
//! | [`error`] | an answer that says no, or no answer at all |
//! | [`frames`] | a container's output without its frames (pure) |

mod call;
pub mod containers;
pub mod credentials;
pub mod error;
pub mod frames;
pub mod images;
pub mod networks;
pub mod pull;
pub mod spec;
pub mod version;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer};
use ureq::Agent;
use ureq::config::AutoHeaderValue;
use ureq::http::Method;

pub use containers::Container;
pub use error::{ApiError, Lost};
pub use version::ApiVersion;

use crate::error::{Context, Error, Kind, Result};
use crate::http::transport::{NoResolver, UnixConnector};
use crate::sys::signal::{Stop, WaitResult, wait};
use call::{Call, Patience, Payload};

/// A client of one dockerd. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Docker {
    agent: Agent,
    socket: PathBuf,
    stop: Stop,
    version: ApiVersion,
}

/// An answer's limit where a few lines of JSON are expected.
const SMALL: u64 = 1 << 20;
/// The limit for lists and logs.
const LARGE: u64 = 16 << 20;

impl Docker {
    /// Connects to the dockerd behind `socket` and agrees with it on an API version. A dockerd
    /// that is not there yet, or is still starting, is waited for, `limit` at most. SIGTERM and
    /// SIGINT (`stop`) end this wait and every later call.
    ///
    /// # Errors
    /// If dockerd did not answer in time, may not be talked to, or speaks no version of ours.
    pub fn connect(socket: &Path, limit: Duration, stop: &Stop) -> Result<Docker> {
        Docker::await_daemon(socket, Some(limit), stop)
    }

    /// Waits for dockerd to come back, however long it takes, and agrees on a version anew: it
    /// may be another one.
    ///
    /// # Errors
    /// Those of [`Docker::connect`], save the time-out.
    pub fn reconnect(&self) -> Result<Docker> {
        Docker::await_daemon(&self.socket, None, &self.stop)
    }

    /// The same, `limit` at most.
    ///
    /// # Errors
    /// Those of [`Docker::connect`].
    pub fn reconnect_within(&self, limit: Duration) -> Result<Docker> {
        Docker::await_daemon(&self.socket, Some(limit), &self.stop)
    }

    /// The same client, which no signal interrupts: for what is to be done after the signal.
    #[must_use]
    pub fn without_stop(&self) -> Docker {
        Docker {
            agent: agent(&self.socket, Stop::never()),
            stop: Stop::never(),
            ..self.clone()
        }
    }

    /// The API version agreed on.
    pub fn version(&self) -> ApiVersion {
        self.version
    }

    /// Whether dockerd takes connections and answers them, now (within 10 s). A dockerd that is
    /// shutting down closes its socket first and stops its containers then; where systemd holds
    /// the socket, the connection is taken and nobody answers.
    ///
    /// # Errors
    /// [`Lost`] if not; [`ApiError`] if it answers that it is not well.
    pub fn ping(&self) -> Result<()> {
        let call = Call {
            agent: &self.agent,
            method: Method::GET,
            path: "/_ping".into(),
            patience: Patience::Within(Duration::from_secs(10)),
            limit: SMALL,
        };
        call.succeed(Payload::Nothing)
            .map(drop)
            .context(|| "ask dockerd whether it is there")
    }

    fn await_daemon(socket: &Path, limit: Option<Duration>, stop: &Stop) -> Result<Docker> {
        /// How often a waiting is spoken of.
        const NEWS: Duration = Duration::from_secs(15);
        let agent = agent(socket, stop.clone());
        let start = Instant::now();
        let (mut pause, mut news) = (Duration::from_millis(100), start);
        loop {
            let left = limit.map(|l| l.saturating_sub(start.elapsed()));
            let error = match hello(&agent, left) {
                Ok(version) => {
                    if news != start {
                        log::info!("dockerd at {} is there", socket.display());
                    }
                    return Ok(Docker {
                        agent,
                        socket: socket.to_owned(),
                        stop: stop.clone(),
                        version,
                    });
                }
                Err(e) => e,
            };
            let left = limit.map(|l| l.saturating_sub(start.elapsed()));
            if !is_not_yet(&error) || left.is_some_and(|l| l.is_zero()) {
                return Err(explain(error, socket, limit));
            }
            if Instant::now() >= news {
                let until = limit.map_or_else(String::new, |l| format!(", up to {l:?}"));
                log::info!(
                    "waiting for dockerd at {}{until}: {error}",
                    socket.display()
                );
                news = Instant::now() + NEWS;
            }
            let pause_now = left.map_or(pause, |l| l.min(pause));
            if wait(None, stop, Some(pause_now)).context(|| "wait for dockerd")?
                == WaitResult::Interrupted
            {
                return Err(Error::interrupted());
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// A call below `/v{version}`.
    fn call(&self, method: Method, path: &str, patience: Patience, limit: u64) -> Call<'_> {
        Call {
            agent: &self.agent,
            method,
            path: format!("/v{}{path}", self.version),
            patience,
            limit,
        }
    }

    fn get(&self, path: &str, limit: u64) -> Call<'_> {
        self.call(Method::GET, path, call::SHORT, limit)
    }
}

/// Asks who is there, and agrees on a version (`GET /_ping`, `GET /version`).
fn hello(agent: &Agent, left: Option<Duration>) -> Result<ApiVersion> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Version {
        api_version: String,
        /// Docker 1.12 and older have none: they speak one version.
        #[serde(rename = "MinAPIVersion")]
        min_api_version: Option<String>,
    }
    // A socket that systemd holds takes connections long before dockerd answers them.
    let most = Duration::from_secs(10);
    let patience = Patience::Within(left.map_or(most, |l| l.clamp(Duration::from_secs(1), most)));
    let call = |path: &str| Call {
        agent,
        method: Method::GET,
        path: path.to_owned(),
        patience,
        limit: SMALL,
    };
    let ping = call("/_ping");
    let response = ping.send(Payload::Nothing)?;
    let (status, header) = (
        response.status(),
        response.headers().get("api-version").cloned(),
    );
    let body = ping.read(response)?;
    if !status.is_success() {
        return Err(call::refused(status, &body));
    }
    let max = header.as_ref().and_then(|h| h.to_str().ok());
    let max: Option<ApiVersion> = max.map(str::parse).transpose()?;
    // dockerd runs its runtimes to answer /version, which takes it ten times as long as all else
    // that we ask. So it is told which version we mean to speak, and says whether it does.
    if let Some(best) = max.and_then(version::ours) {
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
    version::negotiate(version::Window { min, max })
}

/// Whether waiting may help: nobody there, or there and not ready.
fn is_not_yet(error: &Error) -> bool {
    if let Some(Lost(e)) = error.find::<Lost>() {
        return !matches!(
            e.kind(),
            ErrorKind::PermissionDenied | ErrorKind::InvalidInput
        );
    }
    error
        .find::<ApiError>()
        .is_some_and(|e| (500..600).contains(&e.status))
}

fn explain(error: Error, socket: &Path, limit: Option<Duration>) -> Error {
    if error.is_interrupted() {
        return error;
    }
    let denied = error
        .find::<Lost>()
        .is_some_and(|Lost(e)| e.kind() == ErrorKind::PermissionDenied);
    let socket = socket.display();
    let what = match limit {
        _ if denied => format!("may not use the Docker socket {socket}: run as root"),
        Some(limit) if is_not_yet(&error) => format!(
            "dockerd at {socket} did not answer within {limit:?}: is it running, is DOCKER_HOST right?"
        ),
        _ => format!("agree with dockerd at {socket} on an API version"),
    };
    Error::with_source(Kind::InvalidInput, what, error)
}

fn agent(socket: &Path, stop: Stop) -> Agent {
    let config = Agent::config_builder()
        // The socket is local: a proxy of the environment is not meant for it.
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

/// Go writes an empty list or object as `null`; both are the default.
fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
