//! Netlink messages (`struct nlmsghdr`) and the kernel's answers (`struct nlmsgerr`).

use std::fmt;
use std::io;

use super::attr::Attributes;

/// `struct nlmsghdr`'s size in bytes.
pub const HEADER: usize = 16;
/// `NLM_F_REQUEST`: every message to the kernel.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: answer even if all is well.
pub const ACK: u16 = 0x4;
/// `NLM_F_DUMP_INTR`: the tables changed while they were dumped.
const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_DUMP`: all objects, not one.
pub const DUMP: u16 = 0x300;
/// `NLM_F_EXCL`: fail if it is there already.
pub const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`: make it if it is not there.
pub const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: behind what is there, not before it.
pub const APPEND: u16 = 0x800;
/// `NLM_F_CAPPED`: an error without the request's body.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: an error with attributes behind it.
const ACK_TLVS: u16 = 0x200;

/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `NLMSG_OVERRUN`.
const OVERRUN: u16 = 4;
/// Types below this are netlink's own (`NLMSG_MIN_TYPE`).
const FIRST_TYPE: u16 = 0x10;
/// `NLMSGERR_ATTR_MSG`: the error in words.
const ERROR_TEXT: u16 = 1;

/// Appends one message: header, then `body` (family header and attributes).
pub fn write(to: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, body: &[u8]) {
    // A message of 4 GiB is nothing that we could build.
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&length.to_ne_bytes());
    to.extend_from_slice(&kind.to_ne_bytes());
    to.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
    to.extend_from_slice(&sequence.to_ne_bytes());
    to.extend_from_slice(&0_u32.to_ne_bytes());
    to.extend_from_slice(body);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// One message of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// An object, of the type and with the body (family header and attributes) given.
    Object {
        /// The message type.
        kind: u16,
        /// What follows the header.
        body: &'a [u8],
    },
    /// The request was obeyed, or the dump is at its end.
    Done,
    /// The request was refused.
    Refused(Refusal),
    /// Neither: to be passed over.
    Nothing,
}

/// A message and to which request it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<'a> {
    /// The request's sequence number.
    pub sequence: u32,
    /// Whether the kernel says that a dump is not of one moment.
    pub interrupted: bool,
    /// What it says.
    pub message: Message<'a>,
}

/// Why the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error number, positive.
    pub errno: i32,
    /// The kernel's own words, where it has some (extended acknowledgement).
    pub text: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", io::Error::from_raw_os_error(self.errno))?;
        match &self.text {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// Reads a datagram into its messages; `None` if a length does not fit.
#[must_use]
pub fn read(mut datagram: &[u8]) -> Option<Vec<Received<'_>>> {
    let mut all = Vec::new();
    while !datagram.is_empty() {
        let length = usize::try_from(ne32(datagram, 0)?).ok()?;
        let kind = ne16(datagram, 4)?;
        let flags = ne16(datagram, 6)?;
        let body = datagram.get(HEADER..length)?;
        all.push(Received {
            sequence: ne32(datagram, 8)?,
            interrupted: flags & DUMP_INTERRUPTED != 0,
            message: match kind {
                ERROR => outcome(body, error_text(body, flags))?,
                DONE => outcome(body, done_text(body, flags))?,
                OVERRUN => Message::Refused(Refusal {
                    errno: libc::ENOBUFS,
                    text: None,
                }),
                FIRST_TYPE.. => Message::Object { kind, body },
                _ => Message::Nothing,
            },
        });
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Some(all)
}

/// The number that an `NLMSG_ERROR` or an `NLMSG_DONE` begins with: zero, or a negative errno. A
/// `NLMSG_DONE` has it too, and a dump can end with an error.
fn outcome(body: &[u8], text: Option<String>) -> Option<Message<'static>> {
    // Some dumps of old kernels end without a number.
    if body.is_empty() {
        return Some(Message::Done);
    }
    let number = i32::from_ne_bytes(*body.first_chunk()?);
    Some(match number {
        0.. => Message::Done,
        _ => Message::Refused(Refusal {
            errno: number.checked_neg().unwrap_or(libc::EIO),
            text,
        }),
    })
}

/// The words behind an `NLMSG_ERROR`: after the number and the request's header, and its body if
/// that was not left off.
fn error_text(body: &[u8], flags: u16) -> Option<String> {
    let request = if flags & CAPPED == 0 {
        usize::try_from(ne32(body, 4)?).ok()?.max(HEADER)
    } else {
        HEADER
    };
    words(body, flags, 4_usize.checked_add(request)?)
}

/// The words behind an `NLMSG_DONE`: after the number.
fn done_text(body: &[u8], flags: u16) -> Option<String> {
    words(body, flags, 4)
}

fn words(body: &[u8], flags: u16, from: usize) -> Option<String> {
    if flags & ACK_TLVS == 0 {
        return None;
    }
    let from = from.checked_next_multiple_of(4)?;
    let attributes = Attributes::read(body.get(from..)?)?;
    attributes.text(ERROR_TEXT).map(str::to_owned)
}

fn ne16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn ne32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::super::attr::Writer;
    use super::*;

    /// A message as a kernel would send it.
    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, kind, flags, 7, body);
        bytes
    }

    /// An `NLMSG_ERROR` for a request of 40 bytes, echoed or not, with words.
    fn refusal(errno: i32, capped: bool) -> Vec<u8> {
        let mut body = (-errno).to_ne_bytes().to_vec();
        write(&mut body, 0xa06, 0, 7, &[1; 24]);
        if capped {
            body.truncate(4 + HEADER);
        }
        let mut words = Writer::new();
        words.text(ERROR_TEXT, "no such chain");
        body.extend(words.finish());
        let flags = ACK_TLVS | if capped { CAPPED } else { 0 };
        message(ERROR, flags, &body)
    }

    #[test]
    fn errors_are_read_with_their_words() {
        for capped in [true, false] {
            let bytes = refusal(libc::ENOENT, capped);
            let read = read(&bytes).unwrap();
            assert_eq!(read[0].sequence, 7);
            let Message::Refused(refusal) = &read[0].message else {
                panic!("{read:?}");
            };
            assert_eq!(refusal.errno, libc::ENOENT);
            assert!(refusal.to_string().ends_with(": no such chain"));
        }
    }

    #[test]
    fn a_dump_that_ends_with_an_error_is_no_success() {
        let mut bytes = message(0xa06, 0x10, &[0; 4]);
        bytes.extend(message(DONE, 0, &(-libc::ENOMEM).to_ne_bytes()));
        let read = read(&bytes).unwrap();
        assert!(read[0].interrupted);
        assert!(matches!(&read[1].message, Message::Refused(r) if r.errno == libc::ENOMEM));
        let done = message(DONE, 0, &0_i32.to_ne_bytes());
        assert_eq!(super::read(&done).unwrap()[0].message, Message::Done);
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut whole = refusal(libc::EPERM, false);
        whole.extend(message(DONE, ACK_TLVS, &[0, 0, 0, 0, 9]));
        for end in 0..whole.len() {
            let _ = read(&whole[..end]);
            for value in [0, 1, 3, 0x7f, 0x80, 0xff] {
                let mut altered = whole.clone();
                altered[end] = value;
                let _ = read(&altered);
            }
        }
    }
}
