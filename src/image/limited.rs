//! Limits the size of decompressed data.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Read};

use super::ImageError;

/// Converts a read error; [`OverLimit`] becomes [`ImageError::TooLarge`].
pub(super) fn unreadable(error: io::Error) -> ImageError {
    if error
        .get_ref()
        .is_some_and(<dyn StdError + Send + Sync>::is::<OverLimit>)
    {
        ImageError::TooLarge("more than 4 GiB when decompressed".to_owned())
    } else {
        ImageError::Unreadable(error)
    }
}

/// A reader that fails after `left` bytes.
pub(super) struct Limited<R> {
    pub(super) reader: R,
    pub(super) left: u64,
}

/// The error of [`Limited`], inside an [`io::Error`].
#[derive(Debug)]
struct OverLimit;

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("larger than allowed when decompressed")
    }
}

impl StdError for OverLimit {}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| io::Error::other(OverLimit))?;
        Ok(n)
    }
}
