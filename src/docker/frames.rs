//! Removes the frames in which dockerd sends the output of a container without a terminal (Engine
//! API, "Stream format" of `ContainerAttach`): one byte for the stream, three zeros, the length as
//! a big-endian `u32`, the bytes.

/// The output without its frames, in the order of the frames. A truncated last frame yields the
/// bytes that it has; data that does not start with a frame header is kept unchanged.
pub(super) fn unframe(mut bytes: &[u8]) -> Vec<u8> {
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
    // Fewer than eight bytes are a truncated header, not output.
    if bytes.len() >= 8 {
        out.extend_from_slice(bytes);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stdout_and_stderr_frames_are_joined_in_order() {
        let framed = b"\x01\0\0\0\0\0\0\x03ab\n\x02\0\0\0\0\0\0\x02c\n\x01\0\0\0\0\0\0\0";
        assert_eq!(unframe(framed), b"ab\nc\n");
    }

    #[test]
    fn truncated_frame_yields_its_bytes() {
        assert_eq!(unframe(b"\x01\0\0\0\0\0\0\x09abc"), b"abc");
        assert_eq!(unframe(b"\x01\0\0\0\xff\xff\xff\xffabc"), b"abc");
        assert_eq!(unframe(b"\x01\0\0\0\0\0\0\x01a\x01\0\0"), b"a");
        assert_eq!(unframe(b""), b"");
    }

    #[test]
    fn unframed_output_is_kept() {
        assert_eq!(unframe(b"plain text\n"), b"plain text\n");
    }
}
