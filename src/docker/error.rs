//! How a call to dockerd fails. Both types are the source of a [`crate::error::Error`];
//! [`crate::error::Error::find`] returns them.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::error::{Error, Kind};
use crate::http::transport::was_stopped;

/// dockerd answered with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status; 200 for an endpoint that reports its error in the body.
    pub status: u16,
    /// dockerd's message, on one line.
    pub message: String,
}

impl ApiError {
    /// The error in a response body: `{"message": …}`, or plain text.
    pub(super) fn from_body(status: u16, body: &[u8]) -> Self {
        #[derive(serde::Deserialize)]
        struct Body {
            message: String,
        }
        let text = match serde_json::from_slice(body) {
            Ok(Body { message }) => message,
            Err(_) => String::from_utf8_lossy(body).into_owned(),
        };
        ApiError {
            status,
            message: one_line(&text),
        }
    }

    /// The kind of the error that has this source.
    fn kind(&self) -> Kind {
        match self.status {
            404 => Kind::Unavailable,
            502..=504 => Kind::Transient,
            _ => Kind::Rejected,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.message.as_str() {
            "" => "(no message)",
            message => message,
        })
    }
}

impl StdError for ApiError {}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Error {
        let context = format!("dockerd answered {}", error.status);
        Error::with_source(error.kind(), context, error)
    }
}

/// dockerd did not answer, or the connection ended within the answer. Whether it carried out the
/// request is unknown.
#[derive(Debug)]
pub struct Disconnected(pub io::Error);

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Disconnected {}

/// The error of a failed exchange: an interrupt, or a [`Disconnected`].
pub(super) fn disconnected(error: io::Error) -> Error {
    if was_stopped(&error) {
        return Error::interrupted();
    }
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => Kind::Rejected,
        io::ErrorKind::InvalidInput => Kind::InvalidInput,
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Kind::Unavailable,
        _ => Kind::Transient,
    };
    Error::with_source(kind, "no answer from dockerd", Disconnected(error))
}

/// At most 1000 characters of a text that dockerd sent, without control characters.
pub(super) fn one_line(text: &str) -> String {
    let clean = text.trim().chars().take(1000);
    clean
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_error_message_from_json_or_plain_text() {
        let json = ApiError::from_body(409, br#"{"message":"in use\nby a","x":1}"#);
        assert_eq!((json.status, json.message.as_str()), (409, "in use by a"));
        assert_eq!(
            ApiError::from_body(404, b"page not found\n").message,
            "page not found"
        );
        assert_eq!(ApiError::from_body(500, b"").message, "");
    }

    #[test]
    fn error_kind_by_status_and_io_error() {
        let api = |status| Error::from(ApiError::from_body(status, b"")).kind();
        assert_eq!(
            [404, 409, 503, 200].map(api),
            [
                Kind::Unavailable,
                Kind::Rejected,
                Kind::Transient,
                Kind::Rejected
            ]
        );
        let io = |kind: io::ErrorKind| disconnected(kind.into()).kind();
        assert_eq!(io(io::ErrorKind::NotFound), Kind::Unavailable);
        assert_eq!(io(io::ErrorKind::BrokenPipe), Kind::Transient);
        assert_eq!(io(io::ErrorKind::PermissionDenied), Kind::Rejected);
    }
}
