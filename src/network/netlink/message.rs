//! Netlink messages (`struct nlmsghdr`) and acknowledgements (`struct nlmsgerr`).

use super::attr::Attributes;
use super::bytes::{ne16, ne32};

/// The size of `struct nlmsghdr` in bytes.
const HEADER: usize = 16;
/// `NLM_F_REQUEST`: set in every message to the kernel.
const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: acknowledge success too.
pub(crate) const ACK: u16 = 0x4;
/// `NLM_F_DUMP_INTR`: the objects changed during the dump.
const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_DUMP`: return all objects.
pub const DUMP: u16 = 0x300;
/// `NLM_F_EXCL`: fail if the object exists.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`: create the object if it does not exist.
pub const CREATE: u16 = 0x400;
/// `NLM_F_APPEND`: add at the end of the list, not at its head.
pub(crate) const APPEND: u16 = 0x800;
/// `NLM_F_CAPPED`: the error does not echo the request's body.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes follow (extended acknowledgement).
const ACK_TLVS: u16 = 0x200;

/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLMSG_DONE`.
const DONE: u16 = 3;
/// `NLMSG_OVERRUN`.
const OVERRUN: u16 = 4;
/// `NLMSG_MIN_TYPE`: lower types are control messages.
const FIRST_TYPE: u16 = 0x10;
/// `NLMSGERR_ATTR_MSG`: the error as text.
const ERROR_TEXT: u16 = 1;

/// Appends one message: header, then `body` (family header and attributes).
pub(crate) fn write(to: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32, body: &[u8]) {
    // The program's messages are much smaller than 4 GiB. The kernel would reject `u32::MAX`.
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&length.to_ne_bytes());
    to.extend_from_slice(&kind.to_ne_bytes());
    to.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
    to.extend_from_slice(&sequence.to_ne_bytes());
    to.extend_from_slice(&0_u32.to_ne_bytes());
    to.extend_from_slice(body);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// The content of a message from the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// An object, for example a rule.
    Object {
        /// The message type.
        kind: u16,
        /// Family header and attributes.
        body: &'a [u8],
    },
    /// The request succeeded, or the dump is complete.
    Done,
    /// The request failed.
    Error(KernelError),
    /// A control message that is ignored.
    Other,
}

/// A message from the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received<'a> {
    /// The sequence number of the request that it belongs to.
    pub sequence: u32,
    /// Whether the dump is inconsistent: objects changed meanwhile.
    pub interrupted: bool,
    /// The content.
    pub message: Message<'a>,
}

/// An error that the kernel returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError {
    /// The error number, positive.
    pub errno: i32,
    /// The kernel's text, if it sent one (extended acknowledgement).
    pub text: Option<String>,
}

/// Splits a datagram into its messages; `None` if a length exceeds it.
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
                ERROR => acknowledgement(body, error_text(body, flags))?,
                // The text follows the number.
                DONE => acknowledgement(body, text_at(body, flags, 4))?,
                OVERRUN => Message::Error(KernelError {
                    errno: libc::ENOBUFS,
                    text: None,
                }),
                FIRST_TYPE.. => Message::Object { kind, body },
                _ => Message::Other,
            },
        });
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Some(all)
}

/// `NLMSG_ERROR` and `NLMSG_DONE` both start with zero or a negative errno: a dump, too, can end
/// with an error.
fn acknowledgement(body: &[u8], text: Option<String>) -> Option<Message<'static>> {
    // Old kernels end some dumps without the number.
    if body.is_empty() {
        return Some(Message::Done);
    }
    let number = ne32(body, 0)?.cast_signed();
    Some(match number {
        0.. => Message::Done,
        _ => Message::Error(KernelError {
            errno: number.checked_neg().unwrap_or(libc::EIO),
            text,
        }),
    })
}

/// The text of an `NLMSG_ERROR`. It follows the number, the request's header and, unless the error
/// is capped, the request's body.
fn error_text(body: &[u8], flags: u16) -> Option<String> {
    let request = if flags & CAPPED == 0 {
        usize::try_from(ne32(body, 4)?).ok()?.max(HEADER)
    } else {
        HEADER
    };
    text_at(body, flags, 4_usize.checked_add(request)?)
}

fn text_at(body: &[u8], flags: u16, at: usize) -> Option<String> {
    if flags & ACK_TLVS == 0 {
        return None;
    }
    let at = at.checked_next_multiple_of(4)?;
    let attributes = Attributes::read(body.get(at..)?)?;
    attributes.text(ERROR_TEXT).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::attr::Writer;
    use super::*;

    /// A message as the kernel sends it.
    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, kind, flags, 7, body);
        bytes
    }

    /// An `NLMSG_ERROR` with a text for a request of 40 bytes, which is echoed or not.
    fn error(errno: i32, capped: bool) -> Vec<u8> {
        let mut body = (-errno).to_ne_bytes().to_vec();
        write(&mut body, 0xa06, 0, 7, &[1; 24]);
        if capped {
            body.truncate(4 + HEADER);
        }
        let mut attributes = Writer::default();
        attributes.text(ERROR_TEXT, "no such chain");
        body.extend(attributes.finish());
        let flags = ACK_TLVS | if capped { CAPPED } else { 0 };
        message(ERROR, flags, &body)
    }

    #[test]
    fn error_is_read_with_its_text() {
        for capped in [true, false] {
            let bytes = error(libc::ENOENT, capped);
            let read = read(&bytes).unwrap();
            let expected = KernelError {
                errno: libc::ENOENT,
                text: Some("no such chain".to_owned()),
            };
            assert_eq!(read[0].sequence, 7);
            assert_eq!(read[0].message, Message::Error(expected));
        }
    }

    #[test]
    fn dump_that_ends_with_an_error_fails() {
        let mut bytes = message(0xa06, 0x10, &[0; 4]);
        bytes.extend(message(DONE, 0, &(-libc::ENOMEM).to_ne_bytes()));
        let read = read(&bytes).unwrap();
        assert!(read[0].interrupted);
        assert!(matches!(&read[1].message, Message::Error(e) if e.errno == libc::ENOMEM));
        let done = message(DONE, 0, &0_i32.to_ne_bytes());
        assert_eq!(super::read(&done).unwrap()[0].message, Message::Done);
    }

    #[test]
    fn malformed_datagrams_do_not_panic() {
        let mut whole = error(libc::EPERM, false);
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
