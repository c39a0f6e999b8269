//! Why a verified tar is not the agent's image.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::IMAGE;
use crate::types::Architecture;

/// Why a tar is not the agent's image: the source of the [`crate::error::Error`] of
/// [`super::check`].
#[derive(Debug)]
pub enum ImageError {
    /// It is not a tar, uncompressed or gzip, or it cannot be read.
    Unreadable(io::Error),
    /// It ends within this entry.
    Truncated(String),
    /// It exceeds a limit for entries or decompressed bytes; which.
    TooLarge(String),
    /// An entry is missing.
    MissingEntry {
        /// The entry's name.
        entry: String,
        /// What refers to it.
        wanted_by: &'static str,
    },
    /// The content of an entry is invalid.
    MalformedEntry {
        /// The entry's name.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// No image in it has the agent's tag; the tags in it.
    WrongTags(Vec<String>),
    /// The image is for another architecture.
    WrongArchitecture {
        /// The architecture of the image.
        found: String,
        /// The architecture of the host.
        wanted: Architecture,
    },
}

impl ImageError {
    /// An invalid entry.
    pub(super) fn malformed(entry: &str, why: impl Into<String>) -> Self {
        ImageError::MalformedEntry {
            entry: entry.to_owned(),
            why: why.into(),
        }
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Unreadable(_) => {
                f.write_str("not readable as the output of docker save, uncompressed or gzip")
            }
            ImageError::Truncated(entry) => {
                write!(f, "truncated in its entry {entry:?}; get it again")
            }
            ImageError::TooLarge(what) => write!(f, "too large for the agent: {what}"),
            ImageError::MissingEntry { entry, wanted_by } => write!(
                f,
                "no entry {entry:?}, required by {wanted_by}; use the output of docker save"
            ),
            ImageError::MalformedEntry { entry, why } => write!(f, "its entry {entry:?} {why}"),
            ImageError::WrongTags(tags) if tags.is_empty() => {
                write!(f, "it has no tag; expected {IMAGE}")
            }
            ImageError::WrongTags(tags) => {
                write!(f, "it is tagged {}; expected {IMAGE}", tags.join(", "))
            }
            ImageError::WrongArchitecture { found, wanted } => write!(
                f,
                "it is for {found}, and this host is {0}; get the tar for {0}",
                wanted.name()
            ),
        }
    }
}

impl StdError for ImageError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            ImageError::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
