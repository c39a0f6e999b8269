//! Configuration of network interfaces.

use crate::sys;
use std::io;
use std::net::Ipv4Addr;

/// Brings loopback up.
///
/// # Errors
/// The kernel's error.
pub fn loopback() -> io::Result<()> {
    sys::interface_up("lo")
}

/// Sets an interface's address and prefix length, brings it up and adds a default route.
///
/// # Errors
/// The kernel's error, or `InvalidInput` for a prefix above 32.
pub fn configure(name: &str, address: Ipv4Addr, prefix: u32, gateway: Ipv4Addr) -> io::Result<()> {
    let mask = match prefix {
        0 => 0,
        1..=32 => u32::MAX << (32 - prefix),
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "prefix above 32",
            ));
        }
    };
    sys::interface_address(name, address, Ipv4Addr::from(mask))?;
    sys::interface_up(name)?;
    sys::default_route(gateway)
}
