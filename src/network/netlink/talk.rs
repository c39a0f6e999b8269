//! The conversation: a request goes out, the answers that belong to it come in.

use std::io;
use std::ops::Range;
use std::time::Duration;

use super::message::{self, Message, Refusal};
use crate::sys::netlink::{Protocol, Socket};

/// How long the kernel may take for an answer. It answers at once; under a lock that somebody
/// else holds, it may take seconds.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The message type.
    pub kind: u16,
    /// Flags beside `NLM_F_REQUEST`.
    pub flags: u16,
    /// Family header and attributes.
    pub body: Vec<u8>,
}

/// Why a conversation came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// The socket failed.
    Socket(io::Error),
    /// The kernel refused the request with this index (0 but for a batch).
    Refused(usize, Refusal),
    /// The objects changed while they were read, or answers were lost: look again.
    Changed,
    /// The answer cannot be read.
    Malformed,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.raw_os_error() == Some(libc::ENOBUFS) {
            Failure::Changed
        } else {
            Failure::Socket(error)
        }
    }
}

/// A socket with a memory for sequence numbers.
#[derive(Debug)]
pub struct Talk {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Talk {
    /// Opens a conversation.
    ///
    /// # Errors
    /// What the socket answered.
    pub fn open(protocol: Protocol) -> io::Result<Talk> {
        Ok(Talk {
            socket: Socket::open(protocol, TIMEOUT)?,
            sequence: 0,
            buffer: Vec::new(),
        })
    }

    /// Sends one request and hands every object of the answer to `each`, up to the end of the dump
    /// or the acknowledgement.
    ///
    /// # Errors
    /// See [`Failure`]. After one, objects may have been handed over that do not hold.
    pub fn ask(
        &mut self,
        request: Request,
        mut each: impl FnMut(u16, &[u8]) -> Option<()>,
    ) -> Result<(), Failure> {
        let asked = self.send(std::slice::from_ref(&request), message::ACK)?;
        let mut interrupted = false;
        loop {
            self.socket.receive(&mut self.buffer)?;
            let answers = message::read(&self.buffer).ok_or(Failure::Malformed)?;
            for answer in answers {
                if answer.sequence != asked.start {
                    continue;
                }
                interrupted |= answer.interrupted;
                match answer.message {
                    Message::Object { kind, body } => {
                        each(kind, body).ok_or(Failure::Malformed)?;
                    }
                    Message::Done if interrupted => return Err(Failure::Changed),
                    Message::Done => return Ok(()),
                    Message::Refused(refusal) => return Err(refused(0, refusal)),
                    Message::Nothing => {}
                }
            }
        }
    }

    /// Sends several messages in one datagram, the first and the last of which are the batch's
    /// begin and end. The kernel obeys all of them or none.
    ///
    /// # Errors
    /// See [`Failure`]; the index is that of the first message that was refused.
    pub fn batch(&mut self, mut messages: Vec<Request>) -> Result<(), Failure> {
        let Some(before_end) = messages.len().checked_sub(2).filter(|i| *i > 0) else {
            return Ok(());
        };
        messages[before_end].flags |= message::ACK;
        let sent = self.send(&messages, 0)?;
        // Only the last message between begin and end asks for an acknowledgement, so that
        // thousands of them cannot overflow the socket. The kernel goes through all messages and
        // then sends the answers in order: errors for any of them, and that acknowledgement, or
        // the error in its place. An error for "begin" stands for the whole batch (another
        // generation, no memory) and then nothing else need follow.
        let last = sent.end - 2;
        let mut failure: Option<(u32, Refusal)> = None;
        loop {
            self.socket.receive(&mut self.buffer)?;
            let answers = message::read(&self.buffer).ok_or(Failure::Malformed)?;
            for answer in answers {
                if !sent.contains(&answer.sequence) {
                    continue;
                }
                let end = answer.sequence == last || answer.sequence == sent.start;
                match answer.message {
                    Message::Refused(refusal) => {
                        failure.get_or_insert((answer.sequence, refusal));
                    }
                    Message::Done => {}
                    Message::Object { .. } | Message::Nothing => continue,
                }
                if end {
                    return match failure {
                        None => Ok(()),
                        Some((sequence, refusal)) => {
                            let index = usize::try_from(sequence - sent.start).unwrap_or(0);
                            Err(refused(index, refusal))
                        }
                    };
                }
            }
        }
    }

    /// Sends the messages as one datagram; the sequence numbers that they got.
    fn send(&mut self, messages: &[Request], flags: u16) -> Result<Range<u32>, Failure> {
        let count = u32::try_from(messages.len()).map_err(|_| Failure::Malformed)?;
        // Never zero, and never a range that wraps.
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

/// A refusal, or what only means that somebody was faster.
fn refused(index: usize, refusal: Refusal) -> Failure {
    match refusal.errno {
        ERESTART | libc::EINTR | libc::EAGAIN | libc::ENOBUFS => Failure::Changed,
        _ => Failure::Refused(index, refusal),
    }
}

/// `linux/errno.h`: nfnetlink's answer to a batch for an older generation. Elsewhere it never
/// leaves the kernel, so the C library has no name for it everywhere.
const ERESTART: i32 = 85;
