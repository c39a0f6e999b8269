//! `/images`: load an archive, look at an image, remove one that nobody names any more.

use std::io::Read;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Method, StatusCode};

use super::call::{self, Patience, Payload, WORK};
use super::error::one_line;
use super::{ApiError, Docker, LARGE, SMALL, null_is_default};
use crate::error::{Context, Error, Kind, Result};

/// An image (`GET /images/{name}/json`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageInfo {
    /// `sha256:…`.
    #[serde(deserialize_with = "null_is_default")]
    pub id: String,
    /// `amd64`, `arm64`; empty if the image does not say.
    #[serde(deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `linux`; empty if the image does not say.
    #[serde(deserialize_with = "null_is_default")]
    pub os: String,
    /// RFC 3339; empty if the image does not say.
    #[serde(deserialize_with = "null_is_default")]
    pub created: String,
    /// `name:tag`.
    #[serde(deserialize_with = "null_is_default")]
    pub repo_tags: Vec<String>,
    /// `name@sha256:…`, of an image that was pulled by its digest.
    #[serde(deserialize_with = "null_is_default")]
    pub repo_digests: Vec<String>,
}

/// How long dockerd may be silent while it takes an archive. It says nothing while it unpacks,
/// and a slow disk unpacks for minutes.
pub(super) const UNPACKING: Duration = Duration::from_secs(15 * 60);

impl Docker {
    /// Streams `len` bytes of a docker-archive to `POST /images/load`; what dockerd says to it,
    /// line by line. That the tag is there is for the caller to see, with
    /// [`Docker::image`].
    ///
    /// # Errors
    /// If dockerd refuses the archive (it does so with status 200 and a line of JSON), breaks
    /// off, or `archive` cannot be read.
    pub fn load_image(&self, archive: &mut dyn Read, len: u64) -> Result<Vec<String>> {
        let doing = || "load the image into Docker";
        let call = self.call(
            Method::POST,
            // Without the progress: it would come while the archive is still being sent.
            "/images/load?quiet=1",
            Patience::Stalled(UNPACKING),
            LARGE,
        );
        let response = call.send(Payload::Tar(archive, len)).context(doing)?;
        let status = response.status();
        // What came before a connection was lost may hold the reason.
        let mut answer = Vec::new();
        let end = (response.into_body().into_reader())
            .take(LARGE)
            .read_to_end(&mut answer)
            .map_err(call::lost);
        if !status.is_success() {
            return Err(call::refused(status, &answer)).context(doing);
        }
        let said = read_messages(&answer)
            .map_err(|e| {
                Error::with_source(Kind::InvalidInput, "dockerd did not take the archive", e)
            })
            .context(doing)?;
        end.context(doing)?;
        Ok(said)
    }

    /// The image of this name, tag or id, if there is one.
    ///
    /// # Errors
    /// If dockerd cannot be asked.
    pub fn image(&self, name: &str) -> Result<Option<ImageInfo>> {
        let doing = || format!("look for the image {name}");
        self.get(&format!("/images/{}/json", encode_name(name)), SMALL)
            .find()
            .context(doing)?
            .map(|json| call::parse(&json))
            .transpose()
            .context(doing)
    }

    /// Removes an image that has lost its last name and that no container is made of. Whether
    /// it did; an image that is named, used or gone is left alone.
    ///
    /// # Errors
    /// If dockerd cannot be asked, or cannot remove it.
    pub fn remove_dangling_image(&self, id: &str) -> Result<bool> {
        let image = self.image(id)?;
        if image.is_none_or(|i| !i.repo_tags.is_empty() || !i.repo_digests.is_empty()) {
            return Ok(false);
        }
        let doing = || format!("remove the image {id}");
        // Without `force`: a name that it gets in between, or a container, keeps it.
        let path = format!("/images/{}", encode_reference(id));
        let call = self.call(Method::DELETE, &path, WORK, LARGE);
        let (status, body) = call.answer(Payload::Nothing).context(doing)?;
        match status {
            StatusCode::NOT_FOUND => Ok(false),
            StatusCode::CONFLICT => {
                let refused = ApiError::from_body(status.as_u16(), &body);
                log::debug!("the image {id} stays: {refused}");
                Ok(false)
            }
            _ if status.is_success() => Ok(true),
            _ => Err(call::refused(status, &body)).context(doing),
        }
    }
}

/// A name in a path. A slash stays as it is: dockerd's route takes the rest of the path for it.
pub(super) fn encode_name(name: &str) -> String {
    let path: Vec<String> = name.split('/').map(encode_reference).collect();
    path.join("/")
}

/// `name:tag` and `name@sha256:…` keep their marks, which a path may hold (RFC 3986, 3.3).
fn encode_reference(segment: &str) -> String {
    call::encode(segment)
        .replace("%3A", ":")
        .replace("%40", "@")
}

/// The messages of a JSON stream, up to the first error.
pub(super) fn read_messages(answer: &[u8]) -> std::result::Result<Vec<String>, ApiError> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Detail {
        #[serde(deserialize_with = "null_is_default")]
        message: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Message {
        stream: Option<String>,
        error: Option<String>,
        error_detail: Option<Detail>,
    }
    let mut said = Vec::new();
    for line in answer.split(|b| *b == b'\n') {
        let Ok(message) = serde_json::from_slice::<Message>(line) else {
            continue;
        };
        if message.error.is_some() || message.error_detail.is_some() {
            let detail = message.error_detail.unwrap_or_default().message;
            let text = message.error.filter(|e| !e.is_empty()).unwrap_or(detail);
            return Err(ApiError {
                status: 200,
                message: one_line(&text),
            });
        }
        let text = one_line(message.stream.as_deref().unwrap_or_default());
        if !text.is_empty() {
            said.push(text);
        }
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_found_on_any_line() {
        let good = b"{\"stream\":\"Loaded image: a:b\\n\"}\r\n{\"status\":\"x\",\"id\":\"y\"}\n";
        assert_eq!(read_messages(good).unwrap(), ["Loaded image: a:b"]);
        let bad: [&[u8]; 4] = [
            b"{\"status\":\"x\"}\n{\"errorDetail\":{\"message\":\"no space\"},\"error\":\"no space\"}\n",
            b"{\"errorDetail\":{\"code\":1,\"message\":\"no space\"}}",
            b"{\"error\":\"no space\"}",
            b"not json\n{\"error\":\"no space\"}",
        ];
        for answer in bad {
            assert_eq!(read_messages(answer).unwrap_err().message, "no space");
        }
        assert!(read_messages(b"{\"errorDetail\":{}}").is_err());
    }

    #[test]
    fn a_name_keeps_what_a_path_may_hold() {
        let name = "amazon/amazon-ecs-agent:latest";
        assert_eq!(encode_name(name), name);
        assert_eq!(encode_reference("a?b%"), "a%3Fb%25");
    }
}
