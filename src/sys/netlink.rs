//! Netlink sockets to the kernel (netlink(7)). They send and receive whole datagrams.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use super::errno::{check, retry_if_interrupted};
use super::signal::{Interest, Stop, WaitResult, wait};

/// The netlink protocol of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Protocol {
    /// Routes (rtnetlink(7)).
    Route = libc::NETLINK_ROUTE,
    /// Netfilter (nfnetlink, `linux/netfilter/nfnetlink.h`).
    Netfilter = libc::NETLINK_NETFILTER,
}

/// An open netlink socket (close-on-exec).
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    timeout: Duration,
}

/// The initial size of a receive buffer, in bytes. The kernel sizes the datagrams of a dump by the
/// largest buffer that it has seen, up to 32 KiB (`netlink_dump`), so this size is never the limit.
const FIRST_BUFFER: usize = 64 * 1024;

/// The kernel's netlink port ID.
const KERNEL: u32 = 0;

/// Bytes in the socket's send and receive buffers. A whole batch must fit, and so must its errors.
const SOCKET_BUFFER: libc::c_int = 4 * 1024 * 1024;

impl Socket {
    /// Opens a socket. A receive waits for at most `timeout`.
    ///
    /// # Errors
    /// From socket(2) or bind(2). `EPROTONOSUPPORT`: the kernel does not support the protocol.
    pub fn open(protocol: Protocol, timeout: Duration) -> io::Result<Socket> {
        let number = protocol as libc::c_int;
        // SAFETY: socket(2) takes no pointer.
        let fd = check(unsafe {
            libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                number,
            )
        })?;
        // SAFETY: socket(2) returned a new descriptor, which has no other owner.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let socket = Socket { fd, timeout };
        socket.bind()?;
        // Errors then have a text and do not echo the request. Kernels before 4.12 and 4.3 do not
        // have these options; their errors can be read as well.
        let _ = socket.set(libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, &1_i32);
        let _ = socket.set(libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, &1_i32);
        // These fail without CAP_NET_ADMIN; the first request then fails with a clear error.
        let _ = socket.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &SOCKET_BUFFER);
        let _ = socket.set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &SOCKET_BUFFER);
        Ok(socket)
    }

    /// Opens a socket that receives the notifications of a multicast group.
    ///
    /// # Errors
    /// Those of [`Socket::open`]; EPERM without `CAP_NET_ADMIN`.
    pub fn listen(protocol: Protocol, group: u32) -> io::Result<Socket> {
        let socket = Socket::open(protocol, Duration::ZERO)?;
        socket.set(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &group)?;
        Ok(socket)
    }

    fn bind(&self) -> io::Result<()> {
        let address = kernel();
        // SAFETY: `address` is an initialised sockaddr_nl of the size given and outlives the call.
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
        // SAFETY: `value` is a plain C value of the size given and outlives the call.
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
    /// From sendto(2), except EINTR, which is retried.
    pub fn send(&self, datagram: &[u8]) -> io::Result<()> {
        let address = kernel();
        loop {
            // SAFETY: `datagram` and `address` are initialised, have the sizes given and outlive
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

    /// Receives one datagram from the kernel into `buffer`, which grows as needed. Datagrams from
    /// other processes are ignored.
    ///
    /// # Errors
    /// `TimedOut` after the timeout of [`Socket::open`]; `ENOBUFS` if the kernel dropped datagrams;
    /// otherwise from recvfrom(2), except EINTR, which is retried.
    pub fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        while !self.try_receive(buffer)? {
            let socket = Some((self.fd.as_fd(), Interest::Read));
            if wait(socket, &Stop::never(), Some(self.timeout))? == WaitResult::TimedOut {
                let why = "the kernel did not reply in time";
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
        }
        Ok(())
    }

    /// Receives one datagram from the kernel into `buffer` without waiting; `false` if the queue is
    /// empty.
    ///
    /// # Errors
    /// Those of [`Socket::receive`], except `TimedOut`.
    pub fn try_receive(&self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            buffer.resize(buffer.capacity().max(FIRST_BUFFER), 0);
            match self.receive_datagram(buffer) {
                Ok(KERNEL) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives the next datagram without waiting; returns the sender's port ID.
    fn receive_datagram(&self, buffer: &mut Vec<u8>) -> io::Result<u32> {
        // Reads the length first: the kernel would discard what does not fit into `buffer`.
        let peek = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
        let (length, _) = self.receive_from(buffer, peek)?;
        if length > buffer.len() {
            buffer.resize(length, 0);
        }
        let (length, sender) = self.receive_from(buffer, libc::MSG_DONTWAIT)?;
        buffer.truncate(length);
        Ok(sender)
    }

    /// One recvfrom(2): the datagram's length and the sender's port ID.
    fn receive_from(&self, buffer: &mut [u8], flags: libc::c_int) -> io::Result<(usize, u32)> {
        let mut address = kernel();
        loop {
            let mut length = length_of::<libc::sockaddr_nl>();
            // SAFETY: `buffer` and `address` are writable for the sizes given and outlive the call.
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

/// The kernel's address: port ID 0, no group. bind(2) to it assigns a free port ID.
fn kernel() -> libc::sockaddr_nl {
    // SAFETY: all-zero is a valid sockaddr_nl.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    // AF_NETLINK is 16: it fits any integer type.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    {
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    }
    address
}

/// The size of a C value as `socklen_t`.
fn length_of<T>() -> libc::socklen_t {
    // Every type used here has less than 100 bytes.
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}
