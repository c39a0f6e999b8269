//! One entry of an image's tree as it should be.

use std::borrow::Cow;
use std::path::PathBuf;

use super::tar::InstallableTar;

/// A path of the image and what should be there.
#[derive(Debug)]
pub(super) struct Change {
    /// Absolute, as the image's host will see it.
    pub path: PathBuf,
    /// What should be there.
    pub want: Want,
}

/// What should be at a path.
#[derive(Debug)]
pub(super) enum Want {
    /// A directory; an existing one keeps its mode.
    Directory {
        /// Permission bits of a new one.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// User and group; the ones that run `bake` if `None`.
        owner: Option<(u32, u32)>,
        /// The content.
        bytes: Cow<'static, [u8]>,
    },
    /// The agent's tar, mode [`super::tar::TAR_MODE`].
    Tar(Box<InstallableTar>),
    /// A symbolic link.
    Link {
        /// Its target, absolute or relative to the link's directory.
        target: PathBuf,
    },
    /// A text file that contains this line; created if it does not exist.
    Line {
        /// Without its newline.
        text: Cow<'static, str>,
        /// Insert before the first line that contains this and is not a comment; else append.
        before: Option<&'static str>,
    },
    /// A text file that does not contain this line.
    NoLine {
        /// Without its newline.
        text: Cow<'static, str>,
    },
    /// No file or link; a directory is an error.
    Absent,
}

impl Change {
    /// A directory with these permission bits.
    pub fn directory(path: impl Into<PathBuf>, mode: u32) -> Change {
        Change::new(path, Want::Directory { mode })
    }

    /// A file with these permission bits and this content.
    pub fn file(
        path: impl Into<PathBuf>,
        mode: u32,
        bytes: impl Into<Cow<'static, [u8]>>,
    ) -> Change {
        let bytes = bytes.into();
        let owner = None;
        Change::new(path, Want::File { mode, owner, bytes })
    }

    /// A symbolic link to `target`.
    pub fn link(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Change {
        let target = target.into();
        Change::new(path, Want::Link { target })
    }

    /// A line of the file at `path`.
    pub fn line(
        path: impl Into<PathBuf>,
        text: impl Into<Cow<'static, str>>,
        before: Option<&'static str>,
    ) -> Change {
        let text = text.into();
        Change::new(path, Want::Line { text, before })
    }

    /// The removal of a line from the file at `path`.
    pub fn no_line(path: impl Into<PathBuf>, text: impl Into<Cow<'static, str>>) -> Change {
        let text = text.into();
        Change::new(path, Want::NoLine { text })
    }

    /// The removal of a file or link.
    pub fn absent(path: impl Into<PathBuf>) -> Change {
        Change::new(path, Want::Absent)
    }

    pub fn new(path: impl Into<PathBuf>, want: Want) -> Change {
        let path = path.into();
        Change { path, want }
    }
}
