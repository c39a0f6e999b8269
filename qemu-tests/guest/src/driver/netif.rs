//! Network interfaces, as far as a host needs them before anything else runs.

use crate::sys;
use std::io;
use std::net::Ipv4Addr;

/// Brings loopback up.
///
/// # Errors
/// What the kernel said.
pub fn loopback() -> io::Result<()> {
    sys::interface_up("lo")
}

/// Gives an interface its address (the mask as a prefix length), brings it up
/// and makes `gateway` the default route.
///
/// # Errors
/// What the kernel said, or `InvalidInput` for a prefix above 32.
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
