//! `POST /images/create`: dockerd pulls an image from a registry; names that it gets and loses.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use serde_json::Value;
use ureq::http::{Method, StatusCode};

use super::call::{self, Patience, Payload, WORK, encode};
use super::credentials::RegistryAuth;
use super::images::{UNPACKING, encode_name, read_messages};
use super::{Docker, LARGE, SMALL};
use crate::error::{Context, Error, Kind, Result};

impl Docker {
    /// Lets dockerd pull `repository` by `which`, a tag or a digest. That the image is there then
    /// is for the caller to see, with [`Docker::image`]. `progress` is told how many bytes of how
    /// many have come, of the layers that dockerd knows of by then.
    ///
    /// dockerd chooses its own platform out of an index, and checks manifest and layers against
    /// the digest (OCI distribution-spec, "Pulling manifests"). It ends the pull when we hang up.
    ///
    /// # Errors
    /// If dockerd cannot pull: [`super::ApiError`] with its words, of status 200 where the failure
    /// came after the answer had begun (Engine API, "ImageCreate"). See [`may_pass`].
    pub fn pull_image(
        &self,
        repository: &str,
        which: &str,
        auth: Option<&RegistryAuth>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let path = format!(
            "/images/create?fromImage={}&tag={}",
            encode(repository),
            encode(which)
        );
        let call = self.call(Method::POST, &path, Patience::Stalled(UNPACKING), LARGE);
        let payload = auth.map_or(Payload::Nothing, |a| Payload::RegistryAuth(a.header()));
        let response = call.send(payload)?;
        let status = response.status();
        if !status.is_success() {
            let body = call.read(response)?;
            return Err(call::refused(status, &body));
        }
        let mut lines = BufReader::new(response.into_body().into_reader());
        let mut layers = Layers::default();
        loop {
            let mut line = Vec::new();
            (&mut lines)
                .take(SMALL)
                .read_until(b'\n', &mut line)
                .map_err(call::lost)?;
            if line.is_empty() {
                return Ok(());
            }
            read_messages(&line)
                .map_err(|e| Error::with_source(Kind::InvalidInput, "dockerd could not", e))?;
            if let Some((got, total)) = layers.after(&line) {
                progress(got, total);
            }
        }
    }

    /// Gives an image, by any name or id, the name `repository:tag`; another image that has it
    /// loses it.
    ///
    /// # Errors
    /// If dockerd does not.
    pub fn tag_image(&self, image: &str, repository: &str, tag: &str) -> Result<()> {
        let path = format!(
            "/images/{}/tag?repo={}&tag={}",
            encode_name(image),
            encode(repository),
            encode(tag)
        );
        let call = self.call(Method::POST, &path, WORK, LARGE);
        call.succeed(Payload::Nothing)
            .map(drop)
            .context(|| format!("name the image {image} {repository}:{tag}"))
    }

    /// Takes a name (`repository:tag`, `repository@sha256:…`) from an image that has others.
    /// It is no error if nobody has that name, or if dockerd will not: a container may need it.
    ///
    /// # Errors
    /// If dockerd cannot be asked.
    pub fn untag_image(&self, name: &str) -> Result<()> {
        let doing = || format!("take the name {name} from its image");
        let path = format!("/images/{}", encode_name(name));
        let call = self.call(Method::DELETE, &path, WORK, LARGE);
        match call.answer(Payload::Nothing).context(doing)? {
            (StatusCode::NOT_FOUND | StatusCode::CONFLICT, _) => Ok(()),
            (status, _) if status.is_success() => Ok(()),
            (status, body) => Err(call::refused(status, &body)).context(doing),
        }
    }
}

/// How far each layer is, by its short id: bytes that came, bytes in all.
#[derive(Default)]
struct Layers(BTreeMap<String, (u64, u64)>);

impl Layers {
    /// The sums, if the line tells of a download.
    fn after(&mut self, line: &[u8]) -> Option<(u64, u64)> {
        let said: Value = serde_json::from_slice(line).ok()?;
        let id = said["id"].as_str()?;
        match said["status"].as_str()? {
            "Downloading" => {
                let detail = &said["progressDetail"];
                let of = (detail["current"].as_u64()?, detail["total"].as_u64()?);
                self.0.insert(id.to_owned(), of);
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

/// Whether a pull that failed with these words may succeed a little later: the network's and the
/// registry's passing troubles, in Go's, dockerd's and containerd's words. All that is not known
/// to pass is final.
#[must_use]
pub fn may_pass(message: &str) -> bool {
    /// Of net, net/http, syscall; of the registry's answers (distribution-spec, "Error Codes";
    /// RFC 9110, 15.6).
    const PASSING: [&str; 17] = [
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
    message.trim_end().ends_with("eof") || PASSING.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_add_up_and_other_lines_say_nothing() {
        let mut layers = Layers::default();
        let mut after = |line: &str| layers.after(line.as_bytes());
        assert_eq!(after(r#"{"status":"Pulling fs layer","id":"a"}"#), None);
        let line = |id, got, of| {
            format!(
                r#"{{"status":"Downloading","progressDetail":{{"current":{got},"total":{of}}},"id":"{id}"}}"#
            )
        };
        assert_eq!(after(&line("a", 1, 10)), Some((1, 10)));
        assert_eq!(after(&line("b", 2, 20)), Some((3, 30)));
        assert_eq!(after(&line("a", 5, 10)), Some((7, 30)));
        let done = r#"{"status":"Download complete","progressDetail":{},"id":"b"}"#;
        assert_eq!(after(done), Some((25, 30)));
        assert_eq!(
            after(r#"{"status":"Downloading","progressDetail":{},"id":"c"}"#),
            None
        );
        assert_eq!(after("no json"), None);
    }

    /// Words as Engines 20.10 to 28 write them.
    #[test]
    fn what_passes_and_what_does_not() {
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
            assert!(may_pass(message), "{message}");
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
            assert!(!may_pass(message), "{message}");
        }
    }
}
