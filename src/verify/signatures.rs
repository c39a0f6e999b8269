//! The signature file: bytes to signature packets, before anyone asks whose they are.

use std::error::Error as StdError;
use std::io;

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
    let mut next = PacketParser::from_bytes(block).map_err(|e| broken(e.as_ref()))?;
    while let PacketParserResult::Some(parser) = next {
        let (packet, rest) = parser.next().map_err(|e| broken(e.as_ref()))?;
        match packet {
            Packet::Signature(signature) => signatures.push(signature),
            Packet::Unknown(unknown) if unknown.tag() == Tag::Signature => {
                return Err(broken(unknown.error().as_ref()));
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

/// A packet that says it is longer than the file: cut short. Anything else: malformed.
fn broken(error: &(dyn StdError + 'static)) -> Reason {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::UnexpectedEof
        {
            return Reason::SignatureCutShort;
        }
        next = cause.source();
    }
    Reason::Malformed(error.to_string())
}
