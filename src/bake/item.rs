//! One thing that is to lie in an image's tree.

use std::borrow::Cow;
use std::path::PathBuf;

/// What a path in the tree is to be. Paths are absolute, as the image's host will see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it lies.
    pub path: PathBuf,
    /// What lies there.
    pub content: Content,
}

/// What lies at an [`Item`]'s path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A directory; one that is there keeps its mode.
    Directory {
        /// Permission bits of a new one.
        mode: u32,
    },
    /// A regular file with these bytes.
    File {
        /// Permission bits.
        mode: u32,
        /// All of it.
        bytes: Cow<'static, [u8]>,
    },
    /// A symbolic link.
    Link {
        /// Where it points, as it is written into the link.
        target: PathBuf,
    },
    /// A line that a file (`/etc/inittab`) must have: added if it is not there, the file made if
    /// need be.
    Line {
        /// Without its newline.
        text: Cow<'static, str>,
        /// It is put before the first line that has this in it and is no comment, where there is
        /// one; otherwise at the end.
        before: Option<&'static str>,
    },
    /// A line that a file must not have.
    NoLine {
        /// Without its newline.
        text: Cow<'static, str>,
    },
    /// Nothing: a file or a link that is there is removed.
    Nothing,
}

impl Item {
    /// A directory with these permission bits.
    pub fn directory(path: impl Into<PathBuf>, mode: u32) -> Self {
        let path = path.into();
        let content = Content::Directory { mode };
        Item { path, content }
    }

    /// A file with these permission bits and bytes.
    pub fn file(path: impl Into<PathBuf>, mode: u32, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let (path, bytes) = (path.into(), bytes.into());
        let content = Content::File { mode, bytes };
        Item { path, content }
    }

    /// A symbolic link to `target`.
    pub fn link(path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        let (path, target) = (path.into(), target.into());
        let content = Content::Link { target };
        Item { path, content }
    }

    /// A line in the file at `path`.
    pub fn line(path: impl Into<PathBuf>, text: impl Into<Cow<'static, str>>) -> Self {
        let (path, text) = (path.into(), text.into());
        let content = Content::Line { text, before: None };
        Item { path, content }
    }

    /// What takes this file, link or line away.
    #[must_use]
    pub fn taken_away(&self) -> Self {
        let path = self.path.clone();
        let content = match &self.content {
            Content::Line { text, .. } => Content::NoLine { text: text.clone() },
            _ => Content::Nothing,
        };
        Item { path, content }
    }

    /// The same line, before the first one that has `text` in it.
    #[must_use]
    pub fn before(mut self, text: &'static str) -> Self {
        if let Content::Line { before, .. } = &mut self.content {
            *before = Some(text);
        }
        self
    }
}
