//! `/containers`: create, start, wait, inspect, stop, remove, logs.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::{Method, StatusCode};

use super::call::{self, CHANGE, Payload, Timeout};
use super::error::disconnected;
use super::frames::unframe;
use super::spec::ContainerSpec;
use super::{ApiError, Docker, LARGE, SMALL, null_is_default};
use crate::error::{Context, Error, Kind, Result};
use crate::http::url::percent_encode;
use crate::retry;

/// The response to a create.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    /// The container's ID, 64 hex digits.
    pub id: String,
    /// dockerd's warnings about the container's configuration.
    #[serde(default, deserialize_with = "null_is_default")]
    pub warnings: Vec<String>,
}

/// A container (`GET /containers/{id}/json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Container {
    /// Its ID, 64 hex digits.
    pub id: String,
    /// The image's ID, `sha256:…`.
    #[serde(deserialize_with = "null_is_default")]
    pub image: String,
    /// Its state.
    #[serde(deserialize_with = "null_is_default")]
    pub state: State,
    config: Config,
}

impl Container {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.get(name).map(String::as_str)
    }
}

/// The state of a container. One that is paused or restarting is also running.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// Its process exists.
    pub running: bool,
    /// Its processes are frozen.
    pub paused: bool,
    /// dockerd is about to start it again.
    pub restarting: bool,
    /// The exit code of its last run.
    pub exit_code: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    tty: bool,
    #[serde(deserialize_with = "null_is_default")]
    labels: BTreeMap<String, String>,
}

impl Docker {
    /// Creates a container.
    ///
    /// # Errors
    /// [`ApiError`] 404 if the image does not exist, 409 if the name is in use, 400 if dockerd
    /// rejects the specification.
    pub fn create_container(&self, name: &str, spec: &ContainerSpec) -> Result<Created> {
        let context = || format!("create the container {name}");
        let body = serde_json::to_vec(spec).context(context)?;
        let path = format!("/containers/create?name={}", percent_encode(name));
        self.call(Method::POST, &path, CHANGE, SMALL)
            .succeed(Payload::Json(&body))
            .and_then(|json| call::parse(&json))
            .context(context)
    }

    /// Starts a container, unless it runs already.
    ///
    /// # Errors
    /// dockerd or the container runtime cannot start it.
    pub fn start_container(&self, id: &str) -> Result<()> {
        let path = format!("/containers/{}/start", percent_encode(id));
        self.call(Method::POST, &path, CHANGE, SMALL)
            .succeed_or(&[StatusCode::NOT_MODIFIED])
            .context(|| format!("start the container {id}"))
    }

    /// Waits without a limit until a container does not run; returns its exit code.
    ///
    /// # Errors
    /// [`super::Disconnected`] if the connection ended first: the container may still run.
    /// [`ApiError`] if dockerd could not wait: 404 if the container does not exist, 200 if the
    /// body has the error.
    pub fn wait_container(&self, id: &str) -> Result<i64> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Response {
            status_code: i64,
            error: Option<WaitError>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "PascalCase", default)]
        struct WaitError {
            #[serde(deserialize_with = "null_is_default")]
            message: String,
        }
        let path = format!("/containers/{}/wait", percent_encode(id));
        let call = self.call(Method::POST, &path, Timeout::Connect, SMALL);
        let context = || format!("wait for the container {id}");
        let body = call.succeed(Payload::Nothing).context(context)?;
        // dockerd sends the head at once and the body when the container exits: a truncated body
        // means that the connection ended.
        let Ok(response) = serde_json::from_slice::<Response>(&body) else {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "truncated response");
            return Err(disconnected(error)).context(context);
        };
        match response.error {
            None => Ok(response.status_code),
            Some(WaitError { message }) => {
                let error = ApiError {
                    status: 200,
                    message,
                };
                Err(Error::from(error)).context(context)
            }
        }
    }

    /// A container by ID or name; `None` if it does not exist.
    ///
    /// # Errors
    /// The call failed.
    pub fn container(&self, id: &str) -> Result<Option<Container>> {
        let context = || format!("inspect the container {id}");
        self.get(&format!("/containers/{}/json", percent_encode(id)), LARGE)
            .find()
            .context(context)
    }

    /// Stops a container: SIGTERM, and SIGKILL after `grace` (whole seconds). Succeeds if it does
    /// not run or does not exist.
    ///
    /// # Errors
    /// dockerd cannot stop it.
    pub fn stop_container(&self, id: &str, grace: Duration) -> Result<()> {
        /// The time limit for the rest of the call, after `grace`.
        const MARGIN: Duration = Duration::from_secs(30);
        let path = format!(
            "/containers/{}/stop?t={}",
            percent_encode(id),
            grace.as_secs()
        );
        self.call(Method::POST, &path, Timeout::Total(grace + MARGIN), SMALL)
            .succeed_or(&[StatusCode::NOT_MODIFIED, StatusCode::NOT_FOUND])
            .context(|| format!("stop the container {id}"))
    }

    /// Removes a container by ID or name, with its anonymous volumes, even if it runs. Afterwards
    /// its name is free.
    ///
    /// # Errors
    /// dockerd cannot remove it, or another client is removing it and does not finish within 30 s.
    pub fn remove_container(&self, id: &str) -> Result<()> {
        let context = || format!("remove the container {id}");
        let path = format!("/containers/{}?force=1&v=1", percent_encode(id));
        let call = self.call(Method::DELETE, &path, CHANGE, SMALL);
        let (status, body) = call.response(Payload::Nothing).context(context)?;
        match status {
            StatusCode::NOT_FOUND => Ok(()),
            // Another client is removing it.
            StatusCode::CONFLICT => self.wait_for_removal(id, call::api_error(status, &body)),
            _ if status.is_success() => Ok(()),
            _ => Err(call::api_error(status, &body)).context(context),
        }
    }

    fn wait_for_removal(&self, id: &str, conflict: Error) -> Result<()> {
        const TIME_LIMIT: Duration = Duration::from_secs(30);
        const PAUSE: Duration = Duration::from_millis(200);
        let start = Instant::now();
        while self.container(id)?.is_some() {
            if start.elapsed() > TIME_LIMIT {
                let context = format!("the container {id} was not removed within {TIME_LIMIT:?}");
                return Err(Error::with_source(Kind::Transient, context, conflict));
            }
            retry::sleep(&self.stop, PAUSE)?;
        }
        Ok(())
    }

    /// The last `tail` lines that a container wrote to stdout and stderr, at most 4 MiB.
    ///
    /// # Errors
    /// The container does not exist, or its log driver does not support reading.
    pub fn container_logs(&self, id: &str, tail: u32) -> Result<Vec<u8>> {
        const SIZE_LIMIT: u64 = 4 << 20;
        let context = || format!("read the log of the container {id}");
        let tty = self.container(id)?.is_some_and(|c| c.config.tty);
        let path = format!(
            "/containers/{}/logs?stdout=1&stderr=1&tail={tail}",
            percent_encode(id)
        );
        let response = self
            .get(&path, SIZE_LIMIT)
            .send(Payload::Nothing)
            .context(context)?;
        let status = response.status();
        let mut log = Vec::new();
        (response.into_body().into_reader())
            .take(SIZE_LIMIT)
            .read_to_end(&mut log)
            .map_err(disconnected)
            .context(context)?;
        if !status.is_success() {
            return Err(call::api_error(status, &log)).context(context);
        }
        // A terminal's output has no frames (Engine API, "Stream format").
        Ok(if tty { log } else { unframe(&log) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_json_with_null_missing_and_unknown_fields() {
        let json = br#"{"Id":"ab","State":{"Status":"exited","Running":false,"ExitCode":137,
            "Error":null,"Health":{"x":1}},"Config":{"Tty":true,"Labels":{"a":"b"}},"Mounts":[]}"#;
        let c: Container = call::parse(json).unwrap();
        assert_eq!((c.id.as_str(), c.state.exit_code), ("ab", 137));
        assert!(c.config.tty && !c.state.running);
        assert_eq!((c.label("a"), c.label("b")), (Some("b"), None));
        let bare: Container = call::parse(br#"{"Id":"ab"}"#).unwrap();
        assert_eq!(bare.state, State::default());
        let created: Created = call::parse(br#"{"Id":"ab","Warnings":null}"#).unwrap();
        assert!(created.warnings.is_empty());
    }
}
