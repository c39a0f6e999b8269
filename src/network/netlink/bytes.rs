//! Numbers at an offset of a byte slice; `None` if the slice is too short.

use crate::types::array_at;

/// 16 bits in the host's byte order.
pub(crate) fn ne16(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

/// 16 bits in network byte order.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

/// 32 bits in the host's byte order.
pub(crate) fn ne32(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}
