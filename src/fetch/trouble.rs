//! Why a source did not give a file; `retry` judges it.

use std::fmt;

use super::download::RESTARTS;
use super::progress::Least;
use crate::error::{Error, Kind};
use crate::http::failure::Failure;

/// Why a source did not give a file.
#[derive(Debug)]
pub enum Trouble {
    /// The request.
    Web(Failure),
    /// The answer's status.
    Status(u16),
    /// The connection ended early.
    CutShort {
        /// So many bytes arrived …
        got: u64,
        /// … of so many.
        of: u64,
    },
    /// Less than the least progress.
    TooSlow(Least),
    /// More than `ECS_INIT_DOWNLOAD_LIMIT`.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The server encoded the file in a way that we did not ask for.
    Encoded(String),
    /// The file changed again and again while we fetched it.
    Restless,
    /// Our own disk.
    Local(Error),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Web(failure) => write!(f, "{failure}"),
            Trouble::Status(status) => write!(f, "the server answered {status}"),
            Trouble::CutShort { got, of } => {
                write!(f, "the transfer ended after {got} of {of} bytes")
            }
            Trouble::TooSlow(least) => write!(
                f,
                "less than {} bytes in {} s",
                least.bytes,
                least.time.as_secs()
            ),
            Trouble::TooLarge { limit } => write!(
                f,
                "it is larger than {limit} bytes, the limit of ECS_INIT_DOWNLOAD_LIMIT"
            ),
            Trouble::Encoded(how) => write!(f, "the server sent it encoded ({how})"),
            Trouble::Restless => write!(f, "it changed {RESTARTS} times while it was fetched"),
            Trouble::Local(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Web(failure)
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Error {
        match trouble {
            Trouble::Web(failure) => failure.into(),
            Trouble::Local(error) => error,
            other => Error::new(Kind::InvalidInput, other.to_string()),
        }
    }
}
