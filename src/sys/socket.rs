//! Stream sockets with a non-blocking connect, so that one wait covers the connect and a stop
//! request (socket(2), connect(2), unix(7), ip(7), ipv6(7)).

// Address families and sizes fit the C types, which differ in width between C libraries.
#![allow(clippy::cast_possible_truncation, clippy::cast_lossless)]

use std::io;
use std::mem::{offset_of, size_of, size_of_val};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::errno::check;

/// Sets a listener's backlog to 1, the smallest value.
///
/// # Errors
/// From listen(2).
#[cfg(test)]
pub fn shorten_queue(listener: &std::os::unix::net::UnixListener) -> io::Result<()> {
    // SAFETY: listen(2) takes no pointer; on a listening socket it only changes the backlog.
    check(unsafe { libc::listen(listener.as_raw_fd(), 1) }).map(drop)
}

/// Connects to a Unix stream socket. The stream is non-blocking.
///
/// # Errors
/// `WouldBlock` if the listener's backlog is full (retry later), `InvalidInput` if the path has a
/// NUL or more than 107 bytes, otherwise from socket(2) or connect(2).
pub fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    let bytes = path.as_os_str().as_bytes();
    // SAFETY: all-zero is a valid sockaddr_un.
    let mut addr: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    addr.sun_family = libc::AF_UNIX as libc::sa_family_t;
    // The last byte of sun_path is the terminating NUL.
    if bytes.len() >= addr.sun_path.len() || bytes.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "invalid socket path: it has a NUL or more than 107 bytes",
        ));
    }
    for (to, from) in addr.sun_path.iter_mut().zip(bytes) {
        *to = from.cast_signed() as libc::c_char;
    }
    let len = offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
    let fd = stream_socket(libc::AF_UNIX)?;
    connect(&fd, &addr, len)?;
    Ok(UnixStream::from(fd))
}

/// Starts to connect to a TCP address. The stream is non-blocking. The connect has finished when
/// the stream is writable; [`TcpStream::take_error`] returns its error.
///
/// # Errors
/// From socket(2) or connect(2), except EINPROGRESS.
pub fn start_connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let (fd, connected) = match addr {
        SocketAddr::V4(v4) => {
            let addr = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(v4.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            let fd = stream_socket(libc::AF_INET)?;
            let connected = connect(&fd, &addr, size_of_val(&addr));
            (fd, connected)
        }
        SocketAddr::V6(v6) => {
            let addr = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: v6.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                sin6_scope_id: v6.scope_id(),
            };
            let fd = stream_socket(libc::AF_INET6)?;
            let connected = connect(&fd, &addr, size_of_val(&addr));
            (fd, connected)
        }
    };
    match connected {
        Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Err(e),
        _ => Ok(TcpStream::from(fd)),
    }
}

/// Connects to `addr`, a `sockaddr_*` whose first `len` bytes are the address.
fn connect<T>(fd: &OwnedFd, addr: &T, len: usize) -> io::Result<()> {
    let len = len.min(size_of::<T>()) as libc::socklen_t;
    let addr = std::ptr::from_ref(addr).cast();
    // SAFETY: `addr` is from a reference that outlives the call, and `len` is within its type.
    check(unsafe { libc::connect(fd.as_raw_fd(), addr, len) }).map(drop)
}

fn stream_socket(family: libc::c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket(2) takes no pointer; the new descriptor has no other owner.
    unsafe { Ok(OwnedFd::from_raw_fd(check(libc::socket(family, kind, 0))?)) }
}
