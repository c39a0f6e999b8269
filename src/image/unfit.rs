//! Why a verified tar is no image of the agent.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::IMAGE;
use crate::types::Architecture;
use crate::types::TarSource;

/// A tar that is not loaded: which, and why.
#[derive(Debug)]
pub struct Unfit {
    source: TarSource,
    reason: Reason,
}

impl Unfit {
    pub(super) fn new(source: TarSource, reason: Reason) -> Self {
        Unfit { source, reason }
    }

    /// Why it is not loaded.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the tar from {} is no image of the agent: {}",
            self.source, self.reason
        )
    }
}

impl StdError for Unfit {} // The reason prints its own cause.

/// Why a tar is no image of the agent.
#[derive(Debug)]
pub enum Reason {
    /// It cannot be read as a tar, plain or gzip.
    Unreadable(io::Error),
    /// It ends within this entry.
    CutShort(String),
    /// More entries, or more bytes when decompressed, than an image has.
    TooLarge(String),
    /// There is no entry of this name.
    Missing {
        /// The entry's name.
        entry: String,
        /// Who asked for it.
        wanted_by: &'static str,
    },
    /// An entry that should be JSON of a certain form is not.
    Malformed {
        /// The entry's name.
        entry: String,
        /// What is wrong with it.
        why: String,
    },
    /// No image in it has the agent's tag; the tags that there are.
    OtherTags(Vec<String>),
    /// The image says that it is for another architecture.
    OtherArchitecture {
        /// What the image says.
        is: String,
        /// What this host is.
        wanted: Architecture,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Unreadable(error) => write!(
                f,
                "it cannot be read as a tar, plain or gzip ({error}); give the output of \
                 docker save"
            ),
            Reason::CutShort(entry) => {
                write!(f, "it ends within its entry {entry:?}; fetch it anew")
            }
            Reason::TooLarge(what) => write!(f, "it has {what}; that is no agent"),
            Reason::Missing { entry, wanted_by } => write!(
                f,
                "it has no entry {entry:?}, which {wanted_by} asks for; give the output of \
                 docker save"
            ),
            Reason::Malformed { entry, why } => write!(f, "its entry {entry:?} {why}"),
            Reason::OtherTags(tags) if tags.is_empty() => {
                write!(f, "it has no tag, and {IMAGE} is wanted")
            }
            Reason::OtherTags(tags) => {
                write!(f, "it is tagged {}, not {IMAGE}", tags.join(", "))
            }
            Reason::OtherArchitecture { is, wanted } => write!(
                f,
                "it is for {is:?}, and this host is {0}; get the one for {0}",
                wanted.name()
            ),
        }
    }
}
