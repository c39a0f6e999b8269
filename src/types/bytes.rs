//! Fixed-size parts of a byte slice.

/// The `N` bytes at an offset; `None` if the slice is too short.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}
