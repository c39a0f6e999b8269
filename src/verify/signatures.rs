//! Parses a signature file into its signature packets.

use sequoia_openpgp::Packet;
use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::packet::{Signature, Tag};
use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse};

use super::VerifyError;
use super::armor::{self, ArmorError};
use crate::types::SIGNATURE_LIMIT;

/// The most signatures in a file: each hash algorithm takes another pass over the tar.
const MAX_SIGNATURES: usize = 16;

/// The signatures in the file, at least one.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Signature>, VerifyError> {
    if bytes.len() as u64 > SIGNATURE_LIMIT {
        return Err(VerifyError::MalformedSignature(format!(
            "longer than {SIGNATURE_LIMIT} bytes"
        )));
    }
    let blocks = armor::blocks(bytes, Kind::Signature).map_err(|error| match error {
        ArmorError::Empty => VerifyError::MalformedSignature("empty".into()),
        ArmorError::Truncated => VerifyError::SignatureTruncated,
        ArmorError::Malformed(why) => VerifyError::MalformedSignature(why),
    })?;
    let mut signatures = Vec::new();
    for block in blocks {
        packets(&block, &mut signatures)?;
    }
    match signatures.len() {
        0 => Err(VerifyError::MalformedSignature("no signature in it".into())),
        1..=MAX_SIGNATURES => Ok(signatures),
        n => Err(VerifyError::MalformedSignature(format!(
            "{n} signatures, more than {MAX_SIGNATURES}"
        ))),
    }
}

/// Appends the signatures in binary packets.
fn packets(block: &[u8], signatures: &mut Vec<Signature>) -> Result<(), VerifyError> {
    if ends_within_signature(block) {
        return Err(VerifyError::SignatureTruncated);
    }
    let malformed = |e| VerifyError::MalformedSignature(format!("{e}"));
    let mut next = PacketParser::from_bytes(block).map_err(malformed)?;
    while let PacketParserResult::Some(parser) = next {
        let (packet, rest) = parser.next().map_err(malformed)?;
        match packet {
            Packet::Signature(signature) => signatures.push(signature),
            Packet::Unknown(unknown) if unknown.tag() == Tag::Signature => {
                return Err(VerifyError::MalformedSignature(unknown.error().to_string()));
            }
            // RFC 9580, sections 5.8 and 5.14: ignored at any position.
            Packet::Marker(_) | Packet::Padding(_) => {}
            other => {
                return Err(VerifyError::MalformedSignature(format!(
                    "not a detached signature, but with a {}",
                    other.tag()
                )));
            }
        }
        next = rest;
    }
    Ok(())
}

/// Whether signature packets end within one, by the lengths in their headers (RFC 9580, section
/// 4.2). The parser has no distinct error for a truncated packet.
fn ends_within_signature(mut bytes: &[u8]) -> bool {
    /// The tag of a signature packet.
    const SIGNATURE: u8 = 2;
    while let [first, rest @ ..] = bytes {
        let new = first & 0x40 != 0;
        let tag = if new { first & 0x3f } else { first >> 2 & 0xf };
        if first & 0x80 == 0 || tag != SIGNATURE {
            return false;
        }
        // The octets of the length, and how to decode them.
        let (octets, mask, add) = match (new, first & 3, rest.first()) {
            (_, _, None) => return true,
            (false, 3, _) | (true, _, Some(224..=254)) => return false, // No fixed length.
            (false, kind, _) => (1 << kind, u32::MAX, 0),
            (true, _, Some(0..=191)) => (1, u32::MAX, 0),
            (true, _, Some(192..=223)) => (2, 0x1fff, 192),
            (true, _, Some(255)) => (5, u32::MAX, 0),
        };
        let Some((length, body)) = rest.split_at_checked(octets) else {
            return true;
        };
        // The first of five octets, 255, is shifted out.
        let length = length.iter().fold(0_u32, |n, &b| n << 8 | u32::from(b)) & mask;
        match body.get(length as usize + add..) {
            Some(next) => bytes = next,
            None => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_lengths_in_all_encodings() {
        let encodings: [(&[u8], usize); 6] = [
            (&[0x88, 5], 5),
            (&[0x89, 1, 2], 258),
            (&[0x8a, 0, 0, 2, 0], 512),
            (&[0xc2, 191], 191),
            (&[0xc2, 192, 0], 192),
            (&[0xc2, 255, 0, 0, 0x10, 1], 4097),
        ];
        for (header, length) in encodings {
            let mut packet = header.to_vec();
            packet.resize(header.len() + length, 0);
            assert!(!ends_within_signature(&packet), "{header:x?}");
            let two = packet.repeat(2);
            assert!(!ends_within_signature(&two), "{header:x?}");
            for cut in [1, header.len() - 1, header.len(), packet.len() - 1] {
                assert!(ends_within_signature(&packet[..cut]), "{header:x?} {cut}");
                assert!(ends_within_signature(&two[..packet.len() + cut]));
            }
        }
        // 8383 is the largest length in two octets.
        let mut packet = vec![0xc2, 223, 255];
        packet.resize(3 + 8383, 0);
        assert!(!ends_within_signature(&packet));
        packet.pop();
        assert!(ends_within_signature(&packet));
        // Other packets are ignored.
        assert!(!ends_within_signature(&[0x99, 1, 2]));
        assert!(!ends_within_signature(b""));
    }
}
