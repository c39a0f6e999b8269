//! The signature file: bytes to signature packets, before anyone asks whose they are.

use sequoia_openpgp::Packet;
use sequoia_openpgp::armor::Kind;
use sequoia_openpgp::packet::{Signature, Tag};
use sequoia_openpgp::parse::{PacketParser, PacketParserResult, Parse};

use super::armor::{self, Broken};
use super::refusal::Reason;

/// The largest signature file that is read, in bytes. One RSA-4096 signature takes 600.
const MAX_FILE: usize = 64 * 1024;

/// The most signatures that are looked at. Every other digest costs a pass over the tar.
const MAX_SIGNATURES: usize = 16;

/// Every signature in the file, in its order; at least one.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Signature>, Reason> {
    if bytes.len() > MAX_FILE {
        return Err(Reason::Malformed(format!(
            "it is larger than {MAX_FILE} bytes"
        )));
    }
    let blocks = armor::blocks(bytes, Kind::Signature).map_err(|broken| match broken {
        Broken::Empty => Reason::Malformed("it is empty".into()),
        Broken::CutShort => Reason::SignatureCutShort,
        Broken::Malformed(why) => Reason::Malformed(why),
    })?;
    let mut signatures = Vec::new();
    for block in blocks {
        packets(&block, &mut signatures)?;
    }
    match signatures.len() {
        0 => Err(Reason::Malformed("it holds no signature".into())),
        1..=MAX_SIGNATURES => Ok(signatures),
        n => Err(Reason::Malformed(format!(
            "it holds {n} signatures, more than {MAX_SIGNATURES}"
        ))),
    }
}

/// Adds the signatures of one block of binary packets.
fn packets(block: &[u8], signatures: &mut Vec<Signature>) -> Result<(), Reason> {
    if ends_within_a_signature(block) {
        return Err(Reason::SignatureCutShort);
    }
    let broken = |e| Reason::Malformed(format!("{e}"));
    let mut next = PacketParser::from_bytes(block).map_err(broken)?;
    while let PacketParserResult::Some(parser) = next {
        let (packet, rest) = parser.next().map_err(broken)?;
        match packet {
            Packet::Signature(signature) => signatures.push(signature),
            Packet::Unknown(unknown) if unknown.tag() == Tag::Signature => {
                return Err(Reason::Malformed(unknown.error().to_string()));
            }
            // RFC 9580, sections 5.8 and 5.14: to be skipped wherever they stand.
            Packet::Marker(_) | Packet::Padding(_) => {}
            other => {
                return Err(Reason::Malformed(format!(
                    "it is no detached signature: it holds a {}",
                    other.tag()
                )));
            }
        }
        next = rest;
    }
    Ok(())
}

/// Whether a file of signature packets ends within one, by the packets' own lengths (RFC 9580,
/// section 4.2). The parser's errors do not tell: a packet without its end fails in many ways.
fn ends_within_a_signature(mut bytes: &[u8]) -> bool {
    /// The tag that signatures have.
    const SIGNATURE: u8 = 2;
    while let [first, rest @ ..] = bytes {
        let new = first & 0x40 != 0;
        let tag = if new { first & 0x3f } else { first >> 2 & 0xf };
        if first & 0x80 == 0 || tag != SIGNATURE {
            return false;
        }
        // How many octets the length takes, and what to subtract from or add to its number.
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
    fn every_spelling_of_a_length() {
        let spellings: [(&[u8], usize); 6] = [
            (&[0x88, 5], 5),
            (&[0x89, 1, 2], 258),
            (&[0x8a, 0, 0, 2, 0], 512),
            (&[0xc2, 191], 191),
            (&[0xc2, 192, 0], 192),
            (&[0xc2, 255, 0, 0, 0x10, 1], 4097),
        ];
        for (header, length) in spellings {
            let mut packet = header.to_vec();
            packet.resize(header.len() + length, 0);
            assert!(!ends_within_a_signature(&packet), "{header:x?}");
            let two = packet.repeat(2);
            assert!(!ends_within_a_signature(&two), "{header:x?}");
            for cut in [1, header.len() - 1, header.len(), packet.len() - 1] {
                assert!(ends_within_a_signature(&packet[..cut]), "{header:x?} {cut}");
                assert!(ends_within_a_signature(&two[..packet.len() + cut]));
            }
        }
        // 8383, the largest in two octets.
        let mut packet = vec![0xc2, 223, 255];
        packet.resize(3 + 8383, 0);
        assert!(!ends_within_a_signature(&packet));
        packet.pop();
        assert!(ends_within_a_signature(&packet));
        // Another packet is not for us to judge.
        assert!(!ends_within_a_signature(&[0x99, 1, 2]));
        assert!(!ends_within_a_signature(b""));
    }
}
