//! Pulls an image from a registry (`POST /images/create`), and changes the tags of an image.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use serde_json::Value;
use ureq::http::{Method, StatusCode};

use super::call::{CHANGE, Payload, Timeout};
use super::credentials::RegistryAuth;
use super::error::disconnected;
use super::images::{UNPACK, encode_name, read_messages};
use super::{ApiError, Docker, LARGE, SMALL};
use crate::error::{Context, Error, Kind, Result};
use crate::http::url::percent_encode;

impl Docker {
    /// Makes dockerd pull `repository` by `selector`, a tag or a digest. The caller checks with
    /// [`Docker::image`] that the image exists. `progress` is called with the received and the total
    /// bytes of all layers that dockerd has reported.
    ///
    /// dockerd selects its own platform from an index, and verifies manifest and layers by the
    /// digest (OCI distribution-spec, "Pulling manifests"). Closing the connection ends the pull.
    ///
    /// # Errors
    /// [`ApiError`] with dockerd's message; its status is 200 if the pull failed after the response
    /// had started (Engine API, "ImageCreate"). The kind is [`Kind::Transient`] if another try may
    /// succeed.
    pub(crate) fn pull_image(
        &self,
        repository: &str,
        selector: &str,
        auth: Option<&RegistryAuth>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let path = format!(
            "/images/create?fromImage={}&tag={}",
            percent_encode(repository),
            percent_encode(selector)
        );
        let call = self.call(Method::POST, &path, Timeout::Idle(UNPACK), LARGE);
        let payload = auth.map_or(Payload::Nothing, |a| Payload::RegistryAuth(a.header()));
        let response = call.send(payload)?;
        let status = response.status();
        if !status.is_success() {
            let body = call.read(response)?;
            return Err(pull_error(ApiError::from_body(status.as_u16(), &body)));
        }
        let mut lines = BufReader::new(response.into_body().into_reader());
        let mut layers = Layers::default();
        loop {
            let mut line = Vec::new();
            (&mut lines)
                .take(SMALL)
                .read_until(b'\n', &mut line)
                .map_err(disconnected)?;
            if line.is_empty() {
                return Ok(());
            }
            read_messages(&line).map_err(pull_error)?;
            if let Some((received, total)) = layers.update(&line) {
                progress(received, total);
            }
        }
    }

    /// Tags an image, given by any name or ID, as `repository:tag`. Removes this tag from another
    /// image that has it.
    ///
    /// # Errors
    /// The call failed.
    pub(crate) fn tag_image(&self, image: &str, repository: &str, tag: &str) -> Result<()> {
        let path = format!(
            "/images/{}/tag?repo={}&tag={}",
            encode_name(image),
            percent_encode(repository),
            percent_encode(tag)
        );
        let call = self.call(Method::POST, &path, CHANGE, LARGE);
        call.succeed(Payload::Nothing)
            .map(drop)
            .context(|| format!("tag the image {image} as {repository}:{tag}"))
    }

    /// Removes one of several names (`repository:tag`, `repository@sha256:…`) of an image.
    /// Succeeds if the name does not exist, or if dockerd keeps it for a container.
    ///
    /// # Errors
    /// The call failed.
    pub(crate) fn untag_image(&self, name: &str) -> Result<()> {
        let path = format!("/images/{}", encode_name(name));
        self.call(Method::DELETE, &path, CHANGE, LARGE)
            .succeed_or(&[StatusCode::NOT_FOUND, StatusCode::CONFLICT])
            .context(|| format!("untag the image {name}"))
    }
}

fn pull_error(error: ApiError) -> Error {
    let kind = if is_transient(&error.message) {
        Kind::Transient
    } else {
        Kind::Rejected
    };
    Error::from(error).with_kind(kind)
}

/// The received and the total bytes of each layer, by its short ID.
#[derive(Default)]
struct Layers(BTreeMap<String, (u64, u64)>);

impl Layers {
    /// The sums over all layers, if the message reports progress.
    fn update(&mut self, message: &[u8]) -> Option<(u64, u64)> {
        let message: Value = serde_json::from_slice(message).ok()?;
        let id = message["id"].as_str()?;
        match message["status"].as_str()? {
            "Downloading" => {
                let detail = &message["progressDetail"];
                let layer = (detail["current"].as_u64()?, detail["total"].as_u64()?);
                self.0.insert(id.to_owned(), layer);
            }
            "Download complete" => {
                let layer = self.0.get_mut(id)?;
                layer.0 = layer.1;
            }
            _ => return None,
        }
        let sum = |(a, b): (u64, u64), (c, d): &(u64, u64)| (a + c, b + d);
        Some(self.0.values().fold((0, 0), sum))
    }
}

/// Whether a pull that failed with this message may succeed if tried again: messages of Go's net
/// and net/http, and of registries (distribution-spec, "Error Codes"; RFC 9110, section 15.6).
/// An unknown message is permanent.
fn is_transient(message: &str) -> bool {
    const TRANSIENT: [&str; 17] = [
        "timeout",
        "deadline exceeded",
        "connection refused",
        "connection reset",
        "connection timed out",
        "broken pipe",
        "unreachable",
        "no route to host",
        "no such host",
        "temporary failure",
        "server misbehaving",
        "toomanyrequests",
        "too many requests",
        "unexpected http status: 5",
        "internal server error",
        "service unavailable",
        "bad gateway",
    ];
    let message = message.to_ascii_lowercase();
    message.trim_end().ends_with("eof") || TRANSIENT.iter().any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_summed_over_layers() {
        let mut layers = Layers::default();
        let mut update = |line: &str| layers.update(line.as_bytes());
        assert_eq!(update(r#"{"status":"Pulling fs layer","id":"a"}"#), None);
        let line = |id, received, total| {
            format!(
                r#"{{"status":"Downloading","progressDetail":{{"current":{received},"total":{total}}},"id":"{id}"}}"#
            )
        };
        assert_eq!(update(&line("a", 1, 10)), Some((1, 10)));
        assert_eq!(update(&line("b", 2, 20)), Some((3, 30)));
        assert_eq!(update(&line("a", 5, 10)), Some((7, 30)));
        let done = r#"{"status":"Download complete","progressDetail":{},"id":"b"}"#;
        assert_eq!(update(done), Some((25, 30)));
        assert_eq!(
            update(r#"{"status":"Downloading","progressDetail":{},"id":"c"}"#),
            None
        );
        assert_eq!(update("no json"), None);
    }

    /// Messages of Engines 20.10 to 28.
    #[test]
    fn transient_and_permanent_pull_errors() {
        for message in [
            "Get \"https://r:5000/v2/\": dial tcp 10.0.2.2:5000: connect: connection refused",
            "Get \"https://r/v2/\": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
            "failed to do request: Head \"https://r/v2/a/manifests/b\": dial tcp: lookup r on 10.0.0.2:53: server misbehaving",
            "Get \"https://r/v2/\": dial tcp: lookup r: no such host",
            "Head \"https://r/v2/a/manifests/b\": EOF",
            "received unexpected HTTP status: 503 Service Unavailable",
            "unexpected status from HEAD request to https://r/v2/a/manifests/b: 502 Bad Gateway",
            "toomanyrequests: Rate exceeded",
            "Get \"https://r/v2/\": dial tcp 10.0.2.2:443: connect: network is unreachable",
        ] {
            assert!(is_transient(message), "{message}");
        }
        for message in [
            "manifest unknown: manifest unknown",
            "manifest for r/a@sha256:00 not found: manifest unknown: manifest unknown",
            "Head \"https://r/v2/a/manifests/b\": no basic auth credentials",
            "pull access denied for r/a, repository does not exist or may require 'docker login'",
            "unauthorized: authentication required",
            "Get \"https://r/v2/\": x509: certificate signed by unknown authority",
            "no matching manifest for linux/amd64 in the manifest list entries",
            "write /var/lib/docker/tmp/x: no space left on device",
            "",
        ] {
            assert!(!is_transient(message), "{message}");
        }
    }
}
