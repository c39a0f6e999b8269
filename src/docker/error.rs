//! How a call to dockerd fails: with an answer, or without one. Both are causes of a
//! [`crate::error::Error`]; [`crate::error::Error::find`] gets them back.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// dockerd answered, and the answer was no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status. 200 for an endpoint that reports its failure in the body.
    pub status: u16,
    /// dockerd's own words, on one line.
    pub message: String,
}

impl ApiError {
    /// The error that an answer's body describes: `{"message": …}`, or else plain text.
    #[must_use]
    pub fn from_body(status: u16, body: &[u8]) -> Self {
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
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.message.as_str() {
            "" => "it gives no reason",
            message => message,
        })
    }
}

impl StdError for ApiError {}

/// There was no answer, or only a part of one: dockerd is not there, hung up, or took too long.
/// Nothing is known about what it did.
#[derive(Debug)]
pub struct Lost(pub io::Error);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Lost {}

/// At most 1000 characters of a foreign text, with no control character in it.
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
    fn the_message_is_found_in_json_and_in_plain_text() {
        let json = ApiError::from_body(409, br#"{"message":"in use\nby a","x":1}"#);
        assert_eq!(
            (json.status, json.to_string().as_str()),
            (409, "in use by a")
        );
        let text = ApiError::from_body(404, b"page not found\n");
        assert_eq!(text.to_string(), "page not found");
        let none = ApiError::from_body(500, b"");
        assert_eq!(none.to_string(), "it gives no reason");
    }
}
