//! Requests to the kernel, and the replies that belong to them.

use std::io;
use std::ops::Range;
use std::time::Duration;

use super::message::{self, KernelError, Message};
use crate::error::{Error, Kind, Source};
use crate::sys::netlink::{Protocol, Socket};

/// How long to wait for a reply. The kernel replies at once unless another process holds a lock,
/// which can take seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The hint for EPERM.
pub(crate) const NEEDS_CAP_NET_ADMIN: &str = " (needs CAP_NET_ADMIN: run as root)";

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The message type.
    pub kind: u16,
    /// Flags in addition to `NLM_F_REQUEST`.
    pub flags: u16,
    /// Family header and attributes.
    pub body: Vec<u8>,
}

/// Why a request or a batch failed.
#[derive(Debug)]
pub enum NetlinkError {
    /// The socket failed.
    Socket(io::Error),
    /// The kernel rejected the request with this index (0 unless it is a batch).
    Rejected(usize, KernelError),
    /// The objects changed during the request, or replies were lost: start again.
    Inconsistent,
    /// A reply cannot be decoded.
    Malformed,
}

impl NetlinkError {
    /// The program's error for it. The source is the [`io::Error`] of the errno; `context` says
    /// what was requested.
    pub(crate) fn into_error(self, context: impl Into<String>) -> Error {
        let (kind, source): (Kind, Source) = match self {
            NetlinkError::Socket(error) => (Kind::Io, error.into()),
            NetlinkError::Rejected(_, KernelError { errno, text }) => {
                let (kind, error) = (errno_kind(errno), io::Error::from_raw_os_error(errno));
                match text {
                    Some(text) => (kind, Error::with_source(kind, text, error).into()),
                    None => (kind, error.into()),
                }
            }
            NetlinkError::Inconsistent => (Kind::Transient, "the kernel's objects changed".into()),
            NetlinkError::Malformed => {
                (Kind::InvalidInput, "the kernel's reply is malformed".into())
            }
        };
        Error::with_source(kind, context, source)
    }

    /// The errno of a request that the kernel rejected.
    pub(crate) fn errno(&self) -> Option<i32> {
        match self {
            NetlinkError::Rejected(_, error) => Some(error.errno),
            _ => None,
        }
    }
}

impl From<io::Error> for NetlinkError {
    fn from(error: io::Error) -> Self {
        if error.raw_os_error() == Some(libc::ENOBUFS) {
            NetlinkError::Inconsistent
        } else {
            NetlinkError::Socket(error)
        }
    }
}

/// The kind of an error that the kernel returned for a request.
fn errno_kind(errno: i32) -> Kind {
    match errno {
        libc::ENOENT | libc::ENODEV | libc::ENETDOWN | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT => {
            Kind::Unavailable
        }
        libc::EAGAIN | libc::EBUSY | libc::EINTR | libc::ENOBUFS | libc::ENOMEM => Kind::Transient,
        _ => Kind::Rejected,
    }
}

/// A netlink socket with its last sequence number.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens a connection.
    ///
    /// # Errors
    /// See [`Socket::open`].
    pub fn open(protocol: Protocol) -> io::Result<Connection> {
        Ok(Connection {
            socket: Socket::open(protocol, TIMEOUT)?,
            sequence: 0,
            buffer: Vec::new(),
        })
    }

    /// Sends a request and calls `each` with type and body of every object in the reply, until the
    /// end of the dump or the acknowledgement. `each` returns `None` for a malformed body.
    ///
    /// # Errors
    /// See [`NetlinkError`]. Objects that `each` received before an error must not be used.
    pub fn request(
        &mut self,
        request: Request,
        mut each: impl FnMut(u16, &[u8]) -> Option<()>,
    ) -> Result<(), NetlinkError> {
        let sent = self.send(std::slice::from_ref(&request), message::ACK)?;
        let mut interrupted = false;
        loop {
            self.socket.receive(&mut self.buffer)?;
            let replies = message::read(&self.buffer).ok_or(NetlinkError::Malformed)?;
            for reply in replies {
                if reply.sequence != sent.start {
                    continue;
                }
                interrupted |= reply.interrupted;
                match reply.message {
                    Message::Object { kind, body } => {
                        each(kind, body).ok_or(NetlinkError::Malformed)?;
                    }
                    Message::Done if interrupted => return Err(NetlinkError::Inconsistent),
                    Message::Done => return Ok(()),
                    Message::Error(error) => return Err(rejected(0, error)),
                    Message::Other => {}
                }
            }
        }
    }

    /// Sends a batch in one datagram; the first and the last message are its begin and end. The
    /// kernel applies the whole batch or nothing.
    ///
    /// # Errors
    /// See [`NetlinkError`]; the index is that of the first message that was rejected.
    pub fn batch(&mut self, mut messages: Vec<Request>) -> Result<(), NetlinkError> {
        let Some(before_end) = messages.len().checked_sub(2).filter(|i| *i > 0) else {
            return Ok(());
        };
        messages[before_end].flags |= message::ACK;
        let sent = self.send(&messages, 0)?;
        // Only the last message before the end requests an acknowledgement: acknowledgements of
        // thousands of messages could overflow the receive buffer. The kernel processes all
        // messages. Then it sends, in the order of the messages, an error for each message that
        // failed, and for the last message an acknowledgement or an error. An error for the begin
        // message is for the whole batch (wrong generation, out of memory), and may be the only
        // reply.
        let last = sent.end - 2;
        let mut failure: Option<(u32, KernelError)> = None;
        loop {
            self.socket.receive(&mut self.buffer)?;
            let replies = message::read(&self.buffer).ok_or(NetlinkError::Malformed)?;
            for reply in replies {
                if !sent.contains(&reply.sequence) {
                    continue;
                }
                match reply.message {
                    Message::Error(error) => {
                        failure.get_or_insert((reply.sequence, error));
                    }
                    Message::Done => {}
                    Message::Object { .. } | Message::Other => continue,
                }
                if reply.sequence == last || reply.sequence == sent.start {
                    return match failure {
                        None => Ok(()),
                        Some((sequence, error)) => {
                            let index = usize::try_from(sequence - sent.start).unwrap_or(0);
                            Err(rejected(index, error))
                        }
                    };
                }
            }
        }
    }

    /// Sends the messages in one datagram; returns their sequence numbers.
    fn send(&mut self, messages: &[Request], flags: u16) -> Result<Range<u32>, NetlinkError> {
        let count = u32::try_from(messages.len()).map_err(|_| NetlinkError::Malformed)?;
        // Never 0, and never a range that wraps around.
        let start = self
            .sequence
            .checked_add(1)
            .filter(|s| s.checked_add(count).is_some())
            .unwrap_or(1);
        self.sequence = start + count;
        let mut datagram = Vec::new();
        for (request, sequence) in messages.iter().zip(start..) {
            message::write(
                &mut datagram,
                request.kind,
                request.flags | flags,
                sequence,
                &request.body,
            );
        }
        self.socket.send(&datagram)?;
        Ok(start..start + count)
    }
}

/// The error for a rejected message. Some errnos mean that objects were changed at the same time.
fn rejected(index: usize, error: KernelError) -> NetlinkError {
    match error.errno {
        ERESTART | libc::EINTR | libc::EAGAIN | libc::ENOBUFS => NetlinkError::Inconsistent,
        _ => NetlinkError::Rejected(index, error),
    }
}

/// `linux/errno.h`: nfnetlink's reply to a batch for an older generation. Not in libc for every
/// target, because only nfnetlink returns it to user space.
const ERESTART: i32 = 85;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_errno_sets_the_kind_and_stays_the_source() {
        for (errno, kind) in [
            (libc::EPERM, Kind::Rejected),
            (libc::ENOENT, Kind::Unavailable),
            (libc::EBUSY, Kind::Transient),
        ] {
            for text in [None, Some("no such chain".to_owned())] {
                let error = NetlinkError::Rejected(0, KernelError { errno, text });
                let error = error.into_error("read rules");
                assert_eq!(error.kind(), kind);
                let source = error.find::<io::Error>().unwrap();
                assert_eq!(source.raw_os_error(), Some(errno));
            }
        }
    }
}
