//! OpenPGP's two encodings, binary and armored (RFC 9580, section 6).

use std::io::Read;

use sequoia_openpgp::armor::{Kind, Reader, ReaderMode};

/// Why a file cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ArmorError {
    /// Nothing but white space.
    Empty,
    /// A block has no end line.
    Truncated,
    /// Text without a block of this kind, or with an invalid one.
    Malformed(String),
}

/// Decodes a file: the file itself if it is binary, otherwise each block of this kind. A
/// concatenation of armored files has several.
pub(super) fn blocks(bytes: &[u8], kind: Kind) -> Result<Vec<Vec<u8>>, ArmorError> {
    let Some(first) = bytes.iter().find(|b| !b.is_ascii_whitespace()) else {
        return Err(ArmorError::Empty);
    };
    // A packet's first octet has its high bit set (RFC 9580, section 4.2); armor is ASCII.
    if *first >= 0x80 {
        return Ok(vec![bytes.to_vec()]);
    }
    let (begin, end) = match kind {
        Kind::Signature => (
            "-----BEGIN PGP SIGNATURE-----",
            "-----END PGP SIGNATURE-----",
        ),
        _ => (
            "-----BEGIN PGP PUBLIC KEY BLOCK-----",
            "-----END PGP PUBLIC KEY BLOCK-----",
        ),
    };
    let mut blocks = Vec::new();
    let mut rest = bytes;
    while let Some(at) = find(rest, begin) {
        let block = &rest[at..];
        let Some(until) = find(block, end) else {
            return Err(ArmorError::Truncated);
        };
        let (block, after) = block.split_at(until + end.len());
        let mut binary = Vec::new();
        Reader::from_bytes(block, ReaderMode::Tolerant(Some(kind)))
            .read_to_end(&mut binary)
            .map_err(|e| ArmorError::Malformed(format!("invalid armor ({e})")))?;
        blocks.push(binary);
        rest = after;
    }
    if blocks.is_empty() {
        // It may end within the first line of a block.
        let text = bytes.trim_ascii();
        return Err(if begin.as_bytes().starts_with(text) {
            ArmorError::Truncated
        } else {
            ArmorError::Malformed(format!("neither binary OpenPGP nor a {begin}"))
        });
    }
    Ok(blocks)
}

/// The offset of `needle`.
fn find(haystack: &[u8], needle: &str) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|w| w == needle.as_bytes())
}
