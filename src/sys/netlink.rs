//! A netlink socket to the kernel (netlink(7)): whole datagrams out, whole datagrams in.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::check;
use super::signal::{Interest, Stop, Woken, wait};

/// Which part of the kernel listens at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Routes (rtnetlink(7)).
    Route,
    /// Netfilter (nfnetlink, `linux/netfilter/nfnetlink.h`).
    Netfilter,
}

/// An open socket. Close-on-exec, like everything that we open.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    timeout: Duration,
}

/// The size of a first receive buffer. A kernel builds the datagrams of a dump for the largest
/// buffer that it was ever offered, up to 32 KiB (`netlink_dump`), so this one is never the limit.
const FIRST_BUFFER: usize = 64 * 1024;

/// The kernel's port.
const KERNEL: u32 = 0;

/// Bytes that may be under way to or from us. A batch must fit as a whole, and so must the errors
/// that it draws.
const SOCKET_BUFFER: libc::c_int = 4 * 1024 * 1024;

impl Socket {
    /// Opens a socket whose receives give up after `timeout`.
    ///
    /// # Errors
    /// What socket(2), setsockopt(2) or bind(2) answered. `EPROTONOSUPPORT`: the kernel lacks the
    /// protocol.
    pub fn open(protocol: Protocol, timeout: Duration) -> io::Result<Socket> {
        let number = match protocol {
            Protocol::Route => libc::NETLINK_ROUTE,
            Protocol::Netfilter => libc::NETLINK_NETFILTER,
        };
        // SAFETY: no pointer is passed.
        let fd = check(unsafe {
            libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                number,
            )
        })?;
        // SAFETY: the kernel just gave us this descriptor and nobody else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = Socket { fd, timeout };
        socket.bind()?;
        // The errors then say what is wrong in words, and do not repeat the whole request. Kernels
        // before 4.12 and 4.3 know neither; we read their answers as well.
        let _ = socket.set(libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, &1_i32);
        let _ = socket.set(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, &1_i32);
        // Without CAP_NET_ADMIN these fail, and the first request says so better than we can.
        let _ = socket.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &SOCKET_BUFFER);
        let _ = socket.set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &SOCKET_BUFFER);
        Ok(socket)
    }

    /// Opens a socket that hears what the kernel tells a multicast group.
    ///
    /// # Errors
    /// As [`Socket::open`]; EPERM without `CAP_NET_ADMIN`.
    pub fn listen(protocol: Protocol, group: u32) -> io::Result<Socket> {
        let socket = Socket::open(protocol, Duration::ZERO)?;
        socket.set(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &group)?;
        Ok(socket)
    }

    fn bind(&self) -> io::Result<()> {
        let address = kernel();
        // SAFETY: `address` is an initialised sockaddr_nl of the size given, and outlives the call.
        check(unsafe {
            libc::bind(
                self.fd.as_raw_fd(),
                (&raw const address).cast(),
                length_of::<libc::sockaddr_nl>(),
            )
        })?;
        Ok(())
    }

    fn set<T>(&self, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
        // SAFETY: `value` points at a plain C value of the size given, and outlives the call.
        check(unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                level,
                option,
                std::ptr::from_ref(value).cast(),
                length_of::<T>(),
            )
        })?;
        Ok(())
    }

    /// Sends one datagram to the kernel.
    ///
    /// # Errors
    /// What sendto(2) answered; EINTR is tried again.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let address = kernel();
        loop {
            // SAFETY: `datagram` and `address` are initialised, of the sizes given, and outlive
            // the call.
            let sent = unsafe {
                libc::sendto(
                    self.fd.as_raw_fd(),
                    datagram.as_ptr().cast(),
                    datagram.len(),
                    0,
                    (&raw const address).cast(),
                    length_of::<libc::sockaddr_nl>(),
                )
            };
            match usize::try_from(sent) {
                Ok(n) if n == datagram.len() => return Ok(()),
                Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
                Err(_) => retry_if_interrupted()?,
            }
        }
    }

    /// Receives one datagram of the kernel's, whole whatever its size, into `buffer`. What another
    /// process sends us is passed over.
    ///
    /// # Errors
    /// What recvfrom(2) answered; EINTR is tried again. `TimedOut` after the time of
    /// [`Socket::open`]; `ENOBUFS` if the kernel had to drop answers.
    pub fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        loop {
            buffer.resize(buffer.capacity().max(FIRST_BUFFER), 0);
            if wait(
                Some((self.fd.as_fd(), Interest::Read)),
                &Stop::never(),
                Some(self.timeout),
            )? == Woken::TimedOut
            {
                let why = "the kernel gave no answer in time";
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            match self.datagram(buffer) {
                Ok(KERNEL) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives one datagram of the kernel's as [`Socket::receive`] does, if one is there; whether
    /// there was one. Does not wait.
    ///
    /// # Errors
    /// As [`Socket::receive`], but for `TimedOut`.
    pub fn take(&self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            buffer.resize(buffer.capacity().max(FIRST_BUFFER), 0);
            match self.datagram(buffer) {
                Ok(KERNEL) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// The next datagram, whole; its sender.
    fn datagram(&self, buffer: &mut Vec<u8>) -> io::Result<u32> {
        let at_once = libc::MSG_DONTWAIT;
        // The length first: what does not fit would be lost.
        let look = libc::MSG_PEEK | libc::MSG_TRUNC | at_once;
        let (length, _) = self.receive_from(buffer, look)?;
        if length > buffer.len() {
            buffer.resize(length, 0);
        }
        let (length, sender) = self.receive_from(buffer, at_once)?;
        buffer.truncate(length);
        Ok(sender)
    }

    /// One recvfrom(2): the datagram's length, and the sender's port (0 is the kernel).
    fn receive_from(&self, buffer: &mut [u8], flags: libc::c_int) -> io::Result<(usize, u32)> {
        let mut address = kernel();
        loop {
            let mut length = length_of::<libc::sockaddr_nl>();
            // SAFETY: `buffer` and `address` are writable for the sizes given and outlive the
            // call; the kernel writes no more than that.
            let received = unsafe {
                libc::recvfrom(
                    self.fd.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    flags,
                    (&raw mut address).cast(),
                    &raw mut length,
                )
            };
            match usize::try_from(received) {
                Ok(n) => return Ok((n, address.nl_pid)),
                Err(_) => retry_if_interrupted()?,
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Nothing if the last call was interrupted, else its error.
fn retry_if_interrupted() -> io::Result<()> {
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::Interrupted {
        Ok(())
    } else {
        Err(error)
    }
}

/// The kernel's address: port 0, no group. To bind to it asks for any free port.
fn kernel() -> libc::sockaddr_nl {
    // SAFETY: sockaddr_nl is plain numbers, for which zero is a valid value.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    // AF_NETLINK is 16: it fits any integer type.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    {
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    }
    address
}

/// A C value's size as the socket calls want it.
fn length_of<T>() -> libc::socklen_t {
    // No value passed here is longer than a few dozen bytes.
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}
