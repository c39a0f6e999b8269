//! Interfaces and the default route by ioctl, netdevice(7): a bare host has no `ip`.

use super::checked;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

fn socket() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    let fd =
        checked(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new and owned here.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        let message = format!("{name}: too long for an interface");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn sockaddr(address: Ipv4Addr) -> libc::sockaddr {
    let inet = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from(address).to_be(),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: sockaddr_in has the size of sockaddr and may be passed as one.
    unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(inet) }
}

/// Sets an interface up.
///
/// # Errors
/// Errors of the ioctl.
pub fn interface_up(name: &str) -> io::Result<()> {
    let socket = socket()?;
    let mut request = request(name)?;
    // SAFETY: the request is a whole ifreq that outlives the call.
    checked(unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCGIFFLAGS as _,
            &raw mut request,
        )
    })?;
    // SAFETY: SIOCGIFFLAGS has just written this member.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as libc::c_short;
    // SAFETY: as above.
    checked(unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw mut request,
        )
    })
    .map(drop)
}

/// Sets an interface's address and mask.
///
/// # Errors
/// Errors of the ioctls.
pub fn interface_address(name: &str, address: Ipv4Addr, mask: Ipv4Addr) -> io::Result<()> {
    let socket = socket()?;
    let mut request = request(name)?;
    request.ifr_ifru.ifru_addr = sockaddr(address);
    // SAFETY: the request is a whole ifreq that outlives the call.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFADDR as _, &raw mut request) })?;
    request.ifr_ifru.ifru_netmask = sockaddr(mask);
    // SAFETY: as above.
    checked(unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFNETMASK as _,
            &raw mut request,
        )
    })
    .map(drop)
}

/// Adds a default route.
///
/// # Errors
/// Errors of the ioctl.
pub fn default_route(gateway: Ipv4Addr) -> io::Result<()> {
    let socket = socket()?;
    // SAFETY: all zeroes is a valid rtentry.
    let mut route: libc::rtentry = unsafe { std::mem::zeroed() };
    route.rt_dst = sockaddr(Ipv4Addr::UNSPECIFIED);
    route.rt_genmask = sockaddr(Ipv4Addr::UNSPECIFIED);
    route.rt_gateway = sockaddr(gateway);
    route.rt_flags = libc::RTF_UP | libc::RTF_GATEWAY;
    // SAFETY: the route is a whole rtentry that outlives the call; rt_dev is null.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCADDRT as _, &raw mut route) })
        .map(drop)
}
