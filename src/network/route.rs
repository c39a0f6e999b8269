//! The route to the credentials' address on a host without an IPv4 default route.
//!
//! A packet from this host to 169.254.170.2 needs a route before the rule in OUTPUT can redirect
//! it. Usually that is the default route; an IPv6-only host has none.
//!
//! Sources: rtnetlink(7), `linux/rtnetlink.h`.

use std::fmt;
use std::net::Ipv4Addr;

use super::netlink::attr::{Attributes, Writer};
use super::netlink::connection::{Connection, NEEDS_CAP_NET_ADMIN, NetlinkError, Request};
use super::netlink::message::{CREATE, DUMP, EXCLUSIVE};
use super::rules::CREDENTIALS;
use crate::error::{Context, Error, Result};
use crate::sys::netlink::Protocol;

const DESTINATION: u16 = libc::RTA_DST;
const INTERFACE: u16 = libc::RTA_OIF;
const TABLE: u16 = libc::RTA_TABLE;

/// `LOOPBACK_IFINDEX`: lo has the index 1 in every network namespace (`net/core/dev.c`).
const LOOPBACK: u32 = 1;
/// The size of `struct rtmsg` in bytes.
const HEADER: usize = 12;

/// A route to one address through lo: `ADDRESS/32 dev lo scope link`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct HostRoute(Ipv4Addr);

const ROUTE: HostRoute = HostRoute(CREDENTIALS);

impl fmt::Display for HostRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/32 dev lo scope link", self.0)
    }
}

impl HostRoute {
    fn request(self, kind: u16, flags: u16) -> Request {
        let mut attributes = Writer::default();
        attributes
            .bytes(DESTINATION, &self.0.octets())
            .ne32(INTERFACE, LOOPBACK);
        let header = Header {
            prefix: 32,
            table: libc::RT_TABLE_MAIN,
            protocol: libc::RTPROT_BOOT,
            scope: libc::RT_SCOPE_LINK,
            kind: libc::RTN_UNICAST,
        };
        Request {
            kind,
            flags,
            body: header.followed_by(&attributes.finish()),
        }
    }
}

/// The fields of `struct rtmsg` that are used.
#[derive(Debug, Clone, Copy, Default)]
struct Header {
    prefix: u8,
    table: u8,
    protocol: u8,
    scope: u8,
    kind: u8,
}

impl Header {
    fn followed_by(self, attributes: &[u8]) -> Vec<u8> {
        // Family, destination's prefix, source's prefix, type of service, table, protocol, scope,
        // type, and 32 bits of flags.
        let mut body = vec![FAMILY, self.prefix, 0, 0];
        body.extend([self.table, self.protocol, self.scope, self.kind, 0, 0, 0, 0]);
        body.extend(attributes);
        body
    }
}

/// `AF_INET`.
const FAMILY: u8 = 2;

/// Adds the route unless there is a default route.
///
/// # Errors
/// The kernel's error; an existing route is not an error.
pub(super) fn apply() -> Result<()> {
    let mut connection = open()?;
    if has_default(&mut connection)? {
        return Ok(());
    }
    let request = ROUTE.request(libc::RTM_NEWROUTE, CREATE | EXCLUSIVE);
    match connection.request(request, |_, _| Some(())) {
        Ok(()) => log::info!("route added, because the host has no IPv4 default route: {ROUTE}"),
        Err(error) if error.errno() == Some(libc::EEXIST) => {
            log::debug!("route exists: {ROUTE}");
        }
        Err(error) => return Err(route_error(&format!("add the route {ROUTE}"), error)),
    }
    Ok(())
}

/// Deletes the route, even if there is a default route by now.
///
/// # Errors
/// The kernel's error; a missing route is not an error.
pub(super) fn undo() -> Result<()> {
    let request = ROUTE.request(libc::RTM_DELROUTE, 0);
    match open()?.request(request, |_, _| Some(())) {
        Ok(()) => log::info!("route deleted: {ROUTE}"),
        Err(error) if error.errno() == Some(libc::ESRCH) => {}
        Err(error) => return Err(route_error(&format!("delete the route {ROUTE}"), error)),
    }
    Ok(())
}

fn open() -> Result<Connection> {
    Connection::open(Protocol::Route).context(|| "open a netlink socket for routes")
}

/// How many times the routes are read if they change during the dump. After the last attempt, the
/// inconsistent dump is used.
const ATTEMPTS: u32 = 10;

/// Whether the main table has an IPv4 default route.
fn has_default(connection: &mut Connection) -> Result<bool> {
    let mut found = false;
    for _ in 0..ATTEMPTS {
        found = false;
        let request = Request {
            kind: libc::RTM_GETROUTE,
            flags: DUMP,
            body: Header::default().followed_by(&[]),
        };
        let dump = connection.request(request, |kind, body| {
            found |= kind == libc::RTM_NEWROUTE && is_default(body)?;
            Some(())
        });
        match dump {
            Ok(()) => return Ok(found),
            Err(NetlinkError::Inconsistent) => {}
            Err(error) => return Err(route_error("read the routes", error)),
        }
    }
    Ok(found)
}

/// Whether a route is a default route of the main table that forwards packets (not `unreachable` or
/// `blackhole`).
fn is_default(body: &[u8]) -> Option<bool> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let attributes = Attributes::read(body.get(HEADER..)?)?;
    let [family, prefix, _, _, table, _, _, kind, ..] = *header;
    let table = attributes.ne32(TABLE).unwrap_or(table.into());
    Some(
        family == FAMILY
            && prefix == 0
            && table == u32::from(libc::RT_TABLE_MAIN)
            && kind == libc::RTN_UNICAST,
    )
}

fn route_error(context: &str, error: NetlinkError) -> Error {
    let hint = match error.errno() {
        Some(libc::EPERM) => NEEDS_CAP_NET_ADMIN,
        Some(libc::ENETDOWN) => " (lo is down, run: ip link set lo up)",
        _ => "",
    };
    error.into_error(format!("{context}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: u8, table: u8, kind: u8, attributes: &[u8]) -> Vec<u8> {
        Header {
            prefix,
            table,
            kind,
            ..Header::default()
        }
        .followed_by(attributes)
    }

    #[test]
    fn default_route_is_recognised() {
        let main = libc::RT_TABLE_MAIN;
        let unicast = libc::RTN_UNICAST;
        assert_eq!(is_default(&route(0, main, unicast, &[])), Some(true));
        assert_eq!(is_default(&route(1, main, unicast, &[])), Some(false));
        assert_eq!(
            is_default(&route(0, main, libc::RTN_BLACKHOLE, &[])),
            Some(false)
        );
        // A table ID above 255 is in the attribute only.
        let mut other = Writer::default();
        other.ne32(TABLE, 1000);
        let other = other.finish();
        assert_eq!(is_default(&route(0, main, unicast, &other)), Some(false));
        assert_eq!(is_default(&[2, 0, 0]), None);
    }
}
