//! `/images`: load an archive, inspect an image, remove a dangling one.

use std::io::Read;
use std::time::Duration;

use serde::Deserialize;
use ureq::http::{Method, StatusCode};

use super::call::{self, CHANGE, Payload, Timeout};
use super::error::{disconnected, one_line};
use super::{ApiError, Docker, LARGE, SMALL, null_is_default};
use crate::error::{Context, Error, Result};
use crate::http::url::percent_encode;

/// An image (`GET /images/{name}/json`). A text field is empty if the image does not have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageInfo {
    /// `sha256:…`.
    #[serde(deserialize_with = "null_is_default")]
    pub id: String,
    /// `amd64`, `arm64`.
    #[serde(deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `linux`.
    #[serde(deserialize_with = "null_is_default")]
    pub os: String,
    /// `name:tag`.
    #[serde(deserialize_with = "null_is_default")]
    pub repo_tags: Vec<String>,
    /// `name@sha256:…`, of an image that was pulled.
    #[serde(deserialize_with = "null_is_default")]
    pub repo_digests: Vec<String>,
}

/// Between two parts of a response while dockerd unpacks an image: minutes on a slow disk.
pub(super) const UNPACK: Duration = Duration::from_secs(15 * 60);

impl Docker {
    /// Sends `len` bytes of a docker-archive to `POST /images/load`; returns dockerd's messages.
    /// The caller checks with [`Docker::image`] that the expected tag exists.
    ///
    /// # Errors
    /// dockerd rejects the archive ([`ApiError`] with status 200), the connection ends, or
    /// `archive` cannot be read.
    pub fn load_image(&self, archive: &mut dyn Read, len: u64) -> Result<Vec<String>> {
        let context = || "load the image into Docker";
        // Without progress messages: they would arrive while the archive is being sent.
        let path = "/images/load?quiet=1";
        let call = self.call(Method::POST, path, Timeout::Idle(UNPACK), LARGE);
        let response = call.send(Payload::Tar(archive, len)).context(context)?;
        let status = response.status();
        // The messages before a lost connection may have the cause.
        let mut body = Vec::new();
        let end = (response.into_body().into_reader())
            .take(LARGE)
            .read_to_end(&mut body)
            .map_err(disconnected);
        if !status.is_success() {
            return Err(call::api_error(status, &body)).context(context);
        }
        let messages = read_messages(&body).map_err(Error::from).context(context)?;
        end.context(context)?;
        Ok(messages)
    }

    /// The image with this name, tag or ID; `None` if it does not exist.
    ///
    /// # Errors
    /// The call failed.
    pub fn image(&self, name: &str) -> Result<Option<ImageInfo>> {
        let context = || format!("inspect the image {name}");
        self.get(&format!("/images/{}/json", encode_name(name)), SMALL)
            .find()
            .context(context)
    }

    /// Removes an image if it has no name and no container.
    ///
    /// # Errors
    /// The call failed.
    pub(crate) fn remove_dangling_image(&self, id: &str) -> Result<()> {
        let image = self.image(id)?;
        if image.is_none_or(|i| !i.repo_tags.is_empty() || !i.repo_digests.is_empty()) {
            return Ok(());
        }
        let context = || format!("remove the image {id}");
        // Not forced: an image that got a name or a container in the meantime is kept.
        let path = format!("/images/{}", encode_segment(id));
        let call = self.call(Method::DELETE, &path, CHANGE, LARGE);
        let (status, body) = call.response(Payload::Nothing).context(context)?;
        match status {
            StatusCode::NOT_FOUND => {}
            StatusCode::CONFLICT => {
                let error = ApiError::from_body(status.as_u16(), &body);
                log::debug!("image {id} not removed: {error}");
            }
            _ if status.is_success() => log::info!("removed the old image {id}"),
            _ => return Err(call::api_error(status, &body)).context(context),
        }
        Ok(())
    }
}

/// An image name in a path. dockerd's route accepts slashes in it.
pub(super) fn encode_name(name: &str) -> String {
    let path: Vec<String> = name.split('/').map(encode_segment).collect();
    path.join("/")
}

/// Keeps the `:` and `@` of `name:tag` and `name@sha256:…`, which a path may contain (RFC 3986,
/// section 3.3).
fn encode_segment(segment: &str) -> String {
    percent_encode(segment)
        .replace("%3A", ":")
        .replace("%40", "@")
}

/// The messages of a JSON stream.
///
/// # Errors
/// The first message that is an error.
pub(super) fn read_messages(body: &[u8]) -> Result<Vec<String>, ApiError> {
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
    let mut messages = Vec::new();
    for line in body.split(|b| *b == b'\n') {
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
            messages.push(text);
        }
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_found_on_any_line_of_stream() {
        let good = b"{\"stream\":\"Loaded image: a:b\\n\"}\r\n{\"status\":\"x\",\"id\":\"y\"}\n";
        assert_eq!(read_messages(good).unwrap(), ["Loaded image: a:b"]);
        let bad: [&[u8]; 4] = [
            b"{\"status\":\"x\"}\n{\"errorDetail\":{\"message\":\"no space\"},\"error\":\"no space\"}\n",
            b"{\"errorDetail\":{\"code\":1,\"message\":\"no space\"}}",
            b"{\"error\":\"no space\"}",
            b"not json\n{\"error\":\"no space\"}",
        ];
        for body in bad {
            assert_eq!(read_messages(body).unwrap_err().message, "no space");
        }
        assert!(read_messages(b"{\"errorDetail\":{}}").is_err());
    }

    #[test]
    fn image_name_keeps_slash_colon_and_at() {
        let name = "amazon/amazon-ecs-agent:latest";
        assert_eq!(encode_name(name), name);
        assert_eq!(encode_segment("a?b%@"), "a%3Fb%25@");
    }
}
