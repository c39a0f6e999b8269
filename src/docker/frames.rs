//! The frames in which dockerd sends a container's output when it has no terminal (Engine API,
//! "Stream format" of `ContainerAttach`): one byte for the stream, three zeros, the length as a
//! big-endian `u32`, the bytes. Pure.

/// The output without its frames, in the order in which it came. A last frame that is cut short
/// gives what there is of it; what does not begin as a frame is kept as it is.
#[must_use]
pub fn unframe(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    while let Some((header, rest)) = bytes.split_first_chunk::<8>() {
        let [0..=2, 0, 0, 0, a, b, c, d] = *header else {
            break;
        };
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        let (payload, next) = rest.split_at(len.min(rest.len()));
        out.extend_from_slice(payload);
        bytes = next;
    }
    // Fewer than eight bytes of a header are no output.
    if bytes.len() >= 8 {
        out.extend_from_slice(bytes);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stdout_and_stderr_are_joined_in_order() {
        let framed = b"\x01\0\0\0\0\0\0\x03ab\n\x02\0\0\0\0\0\0\x02c\n\x01\0\0\0\0\0\0\0";
        assert_eq!(unframe(framed), b"ab\nc\n");
    }

    #[test]
    fn a_cut_frame_gives_what_there_is() {
        assert_eq!(unframe(b"\x01\0\0\0\0\0\0\x09abc"), b"abc");
        assert_eq!(unframe(b"\x01\0\0\0\xff\xff\xff\xffabc"), b"abc");
        assert_eq!(unframe(b"\x01\0\0\0\0\0\0\x01a\x01\0\0"), b"a");
        assert_eq!(unframe(b""), b"");
    }

    #[test]
    fn what_is_no_frame_is_kept() {
        assert_eq!(unframe(b"plain text\n"), b"plain text\n");
    }
}
