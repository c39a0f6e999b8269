//! `/containers`: create, start, wait for, look at, stop, remove, and what they said.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::{Method, StatusCode};

use super::call::{self, Patience, Payload, WORK, encode};
use super::frames::unframe;
use super::spec::ContainerSpec;
use super::{ApiError, Docker, LARGE, SMALL, null_is_default};
use crate::error::{Context, Error, Kind, Result};
use crate::sys::signal::{WaitResult, wait};

/// A container that was created.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    /// Its id, 64 hex digits.
    pub id: String,
    /// What dockerd thinks odd about it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub warnings: Vec<String>,
}

/// A container (`GET /containers/{id}/json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Container {
    /// Its id, 64 hex digits.
    pub id: String,
    /// The image's id, `sha256:…`.
    #[serde(deserialize_with = "null_is_default")]
    pub image: String,
    /// What it is doing.
    #[serde(deserialize_with = "null_is_default")]
    pub state: State,
    config: Config,
}

impl Container {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.get(name).map(String::as_str)
    }
}

/// What a container is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
    #[serde(deserialize_with = "null_is_default")]
    pub status: String,
    /// Whether its process lives.
    pub running: bool,
    /// Whether its processes are frozen; they count as running.
    pub paused: bool,
    /// Whether dockerd is about to start it again; it counts as running.
    pub restarting: bool,
    /// The exit status of its last run.
    pub exit_code: i64,
    /// Whether memory had run out.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Why it could not be started.
    #[serde(deserialize_with = "null_is_default")]
    pub error: String,
    /// RFC 3339.
    #[serde(deserialize_with = "null_is_default")]
    pub started_at: String,
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
    /// [`ApiError`] 404 if there is no such image, 409 if the name is taken, 400 if dockerd does
    /// not like the description.
    pub fn create_container(&self, name: &str, spec: &ContainerSpec) -> Result<Created> {
        let doing = || format!("create the container {name}");
        // Maps with text for keys and plain data: this cannot fail, and is told if it does.
        let body = serde_json::to_vec(spec).context(doing)?;
        let path = format!("/containers/create?name={}", encode(name));
        self.call(Method::POST, &path, WORK, SMALL)
            .succeed(Payload::Json(&body))
            .and_then(|json| call::parse(&json))
            .context(doing)
    }

    /// Starts a container. One that runs already is no error.
    ///
    /// # Errors
    /// If dockerd or the runtime cannot start it.
    pub fn start_container(&self, id: &str) -> Result<()> {
        let path = format!("/containers/{}/start", encode(id));
        let call = self.call(Method::POST, &path, WORK, SMALL);
        accept(call.answer(Payload::Nothing), &[StatusCode::NOT_MODIFIED])
            .context(|| format!("start the container {id}"))
    }

    /// Waits, however long, until a container does not run; its exit status.
    ///
    /// # Errors
    /// [`super::Lost`] if the connection ended first: this says nothing about the container.
    /// [`ApiError`] if dockerd could not wait: 404 if there is no such container, 200 if it
    /// reported the failure in the body.
    pub fn wait_container(&self, id: &str) -> Result<i64> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            status_code: i64,
            error: Option<Failure>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "PascalCase", default)]
        struct Failure {
            #[serde(deserialize_with = "null_is_default")]
            message: String,
        }
        let path = format!("/containers/{}/wait", encode(id));
        let call = self.call(Method::POST, &path, Patience::Endless, SMALL);
        let doing = || format!("wait for the container {id}");
        let body = call.succeed(Payload::Nothing).context(doing)?;
        // The head of the answer comes at once, the body at the end: a body that is cut short is
        // a lost connection, too.
        let Ok(answer) = serde_json::from_slice::<Answer>(&body) else {
            let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the answer is cut short");
            return Err(call::lost(cut)).context(doing);
        };
        match answer.error.map(|e| e.message).filter(|m| !m.is_empty()) {
            None => Ok(answer.status_code),
            Some(message) => Err(Error::with_source(
                Kind::InvalidInput,
                doing(),
                ApiError {
                    status: 200,
                    message: super::error::one_line(&message),
                },
            )),
        }
    }

    /// A container by id or name, if there is one.
    ///
    /// # Errors
    /// If dockerd cannot be asked.
    pub fn container(&self, id: &str) -> Result<Option<Container>> {
        let doing = || format!("look at the container {id}");
        self.get(&format!("/containers/{}/json", encode(id)), LARGE)
            .find()
            .context(doing)?
            .map(|json| call::parse(&json))
            .transpose()
            .context(doing)
    }

    /// Stops a container: SIGTERM, and SIGKILL after `grace` (whole seconds). One that does not
    /// run, or is not there, is stopped.
    ///
    /// # Errors
    /// If dockerd cannot stop it.
    pub fn stop_container(&self, id: &str, grace: Duration) -> Result<()> {
        /// What dockerd may take beyond the grace: the SIGKILL, the runtime, the disk.
        const MARGIN: Duration = Duration::from_secs(30);
        let path = format!("/containers/{}/stop?t={}", encode(id), grace.as_secs());
        let patience = Patience::Within(grace + MARGIN);
        let call = self.call(Method::POST, &path, patience, SMALL);
        accept(
            call.answer(Payload::Nothing),
            &[StatusCode::NOT_MODIFIED, StatusCode::NOT_FOUND],
        )
        .context(|| format!("stop the container {id}"))
    }

    /// Removes a container by id or name, with its anonymous volumes, whether it runs or not.
    /// When this returns, the name is free.
    ///
    /// # Errors
    /// If dockerd cannot remove it, or a removal under way does not come to its end.
    pub fn remove_container(&self, id: &str) -> Result<()> {
        let doing = || format!("remove the container {id}");
        let path = format!("/containers/{}?force=1&v=1", encode(id));
        let call = self.call(Method::DELETE, &path, WORK, SMALL);
        let (status, body) = call.answer(Payload::Nothing).context(doing)?;
        match status {
            StatusCode::NOT_FOUND => Ok(()),
            // Somebody else removes it already.
            StatusCode::CONFLICT => self.await_removal(id, call::refused(status, &body)),
            _ if status.is_success() => Ok(()),
            _ => Err(call::refused(status, &body)).context(doing),
        }
    }

    fn await_removal(&self, id: &str, conflict: Error) -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(30);
        let start = Instant::now();
        while self.container(id)?.is_some() {
            if start.elapsed() > LIMIT {
                return Err(Error::with_source(
                    Kind::InvalidInput,
                    format!("the container {id} was not gone after {LIMIT:?}"),
                    conflict,
                ));
            }
            let pause = Some(Duration::from_millis(200));
            let woken = wait(None, &self.stop, pause)
                .context(|| format!("wait for the end of the container {id}"))?;
            if woken == WaitResult::Interrupted {
                return Err(Error::interrupted());
            }
        }
        Ok(())
    }

    /// The last `tail` lines that a container wrote to stdout and stderr, 4 MiB of them at most.
    ///
    /// # Errors
    /// If there is no such container, or its log driver keeps nothing to read.
    pub fn container_logs(&self, id: &str, tail: u32) -> Result<Vec<u8>> {
        const MOST: u64 = 4 << 20;
        let doing = || format!("read the log of the container {id}");
        let tty = self.container(id)?.is_some_and(|c| c.config.tty);
        let path = format!(
            "/containers/{}/logs?stdout=1&stderr=1&tail={tail}",
            encode(id)
        );
        let call = self.get(&path, MOST);
        let response = call.send(Payload::Nothing).context(doing)?;
        let status = response.status();
        let mut log = Vec::new();
        (response.into_body().into_reader())
            .take(MOST)
            .read_to_end(&mut log)
            .map_err(call::lost)
            .context(doing)?;
        if !status.is_success() {
            return Err(call::refused(status, &log)).context(doing);
        }
        // A terminal's output has no frames (Engine API, "Stream format").
        Ok(if tty { log } else { unframe(&log) })
    }
}

/// Success, or one of the statuses that are as good.
fn accept(answer: Result<(StatusCode, Vec<u8>)>, also: &[StatusCode]) -> Result<()> {
    let (status, body) = answer?;
    if status.is_success() || also.contains(&status) {
        Ok(())
    } else {
        Err(call::refused(status, &body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_read_leniently() {
        let json = br#"{"Id":"ab","State":{"Status":"exited","Running":false,"OOMKilled":true,
            "ExitCode":137,"Error":null,"Health":{"x":1}},"Config":{"Tty":true,"Labels":{"a":"b"}},"Mounts":[]}"#;
        let c: Container = call::parse(json).unwrap();
        assert_eq!((c.id.as_str(), c.state.exit_code), ("ab", 137));
        assert!(c.state.oom_killed && c.config.tty && !c.state.running);
        assert_eq!((c.label("a"), c.label("b")), (Some("b"), None));
        let bare: Container = call::parse(br#"{"Id":"ab"}"#).unwrap();
        assert_eq!(bare.state, State::default());
        let created: Created = call::parse(br#"{"Id":"ab","Warnings":null}"#).unwrap();
        assert!(created.warnings.is_empty());
    }
}
