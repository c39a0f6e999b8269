//! OpenPGP's two spellings, binary and armored (RFC 9580, section 6), told apart and read.

use std::io::Read;

use sequoia_openpgp::armor::{Kind, Reader, ReaderMode};

/// Why armor could not be taken off.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Nothing but white space.
    Empty,
    /// A block begins and does not end.
    CutShort,
    /// Text without a block of this kind, or with one that cannot be decoded.
    Malformed(String),
}

/// The binary packets of a file: itself when it is binary, else one item for each block of this
/// kind. `cat a.asc b.asc` makes a file of two blocks, so several are the normal case.
pub(super) fn blocks(bytes: &[u8], kind: Kind) -> Result<Vec<Vec<u8>>, Broken> {
    let Some(first) = bytes.iter().find(|b| !b.is_ascii_whitespace()) else {
        return Err(Broken::Empty);
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
            return Err(Broken::CutShort);
        };
        let (block, after) = block.split_at(until + end.len());
        let mut binary = Vec::new();
        Reader::from_bytes(block, ReaderMode::Tolerant(Some(kind)))
            .read_to_end(&mut binary)
            .map_err(|e| Broken::Malformed(format!("its armor cannot be decoded ({e})")))?;
        blocks.push(binary);
        rest = after;
    }
    if blocks.is_empty() {
        // A file that ends within its very first line is short, not strange.
        let text = bytes.trim_ascii();
        return Err(if begin.as_bytes().starts_with(text) {
            Broken::CutShort
        } else {
            Broken::Malformed(format!("it is neither binary OpenPGP nor holds a {begin}"))
        });
    }
    Ok(blocks)
}

/// Where `needle` begins.
fn find(hay: &[u8], needle: &str) -> Option<usize> {
    hay.windows(needle.len())
        .position(|w| w == needle.as_bytes())
}
