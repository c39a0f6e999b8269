//! The route to the credentials' address on a host without an IPv4 default route.
//!
//! A packet of this host's to 169.254.170.2 must find a route before the rule in OUTPUT can send
//! it elsewhere. Mostly the default route is that; an IPv6-only host has none.
//!
//! Sources: rtnetlink(7), `linux/rtnetlink.h`.

use std::fmt;
use std::net::Ipv4Addr;

use super::netlink::attr::{Attributes, Writer};
use super::netlink::message::{CREATE, DUMP, EXCLUSIVE};
use super::netlink::talk::{Failure, Request, Talk};
use super::rules::CREDENTIALS;
use crate::error::{Context, Error, Kind, Result};
use crate::sys::netlink::Protocol;

const DESTINATION: u16 = libc::RTA_DST;
const INTERFACE: u16 = libc::RTA_OIF;
const TABLE: u16 = libc::RTA_TABLE;

/// `LOOPBACK_IFINDEX`: in every network namespace lo is number 1 (`net/core/dev.c`).
const LOOPBACK: u32 = 1;
/// `struct rtmsg`'s size in bytes.
const HEADER: usize = 12;

/// A host route by way of lo: `ADDRESS/32 dev lo scope link`.
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
        let mut attributes = Writer::new();
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

/// `struct rtmsg`, as far as we set it.
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

/// Makes the route if there is no default route; whether it is needed.
///
/// # Errors
/// What the kernel answered. That the route is there already is none.
pub fn apply() -> Result<bool> {
    let mut talk = open()?;
    if has_default(&mut talk)? {
        return Ok(false);
    }
    let request = ROUTE.request(libc::RTM_NEWROUTE, CREATE | EXCLUSIVE);
    match talk.ask(request, |_, _| Some(())) {
        Ok(()) => log::info!("route added, as there is no IPv4 default route: {ROUTE}"),
        Err(Failure::Refused(_, r)) if r.errno == libc::EEXIST => {
            log::debug!("route already there: {ROUTE}");
        }
        Err(failure) => return Err(failed(&format!("add the route {ROUTE}"), failure)),
    }
    Ok(true)
}

/// Takes the route out, whether or not there is a default route by now; whether it was there.
///
/// # Errors
/// What the kernel answered. That the route is not there is none.
pub fn undo() -> Result<bool> {
    let request = ROUTE.request(libc::RTM_DELROUTE, 0);
    match open()?.ask(request, |_, _| Some(())) {
        Ok(()) => {
            log::info!("route deleted: {ROUTE}");
            Ok(true)
        }
        Err(Failure::Refused(_, r)) if r.errno == libc::ESRCH => Ok(false),
        Err(failure) => Err(failed(&format!("delete the route {ROUTE}"), failure)),
    }
}

fn open() -> Result<Talk> {
    Talk::open(Protocol::Route).context(|| "open a netlink socket for routes")
}

/// How often to read the routes again if they change while they are read. What then still counts
/// is whether a default route was seen.
const ATTEMPTS: u32 = 10;

/// Whether the main table has an IPv4 default route.
fn has_default(talk: &mut Talk) -> Result<bool> {
    let mut found = false;
    for _ in 0..ATTEMPTS {
        found = false;
        let request = Request {
            kind: libc::RTM_GETROUTE,
            flags: DUMP,
            body: Header::default().followed_by(&[]),
        };
        let dumped = talk.ask(request, |kind, body| {
            found |= kind == libc::RTM_NEWROUTE && is_default(body)?;
            Some(())
        });
        match dumped {
            Ok(()) => return Ok(found),
            Err(Failure::Changed) => {}
            Err(failure) => return Err(failed("read the routes", failure)),
        }
    }
    Ok(found)
}

/// Whether a route leads everywhere. One that forbids (`unreachable`, `blackhole`) leads nowhere.
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

fn failed(doing: &str, failure: Failure) -> Error {
    match failure {
        Failure::Socket(error) => Error::with_source(Kind::InvalidInput, doing, error),
        Failure::Refused(_, refusal) => {
            let hint = match refusal.errno {
                libc::EPERM => " (it takes CAP_NET_ADMIN: run as root)",
                libc::ENETDOWN => " (lo is down: ip link set lo up)",
                _ => "",
            };
            Error::with_source(Kind::InvalidInput, format!("{doing}{hint}"), refusal)
        }
        Failure::Changed => Error::new(
            Kind::InvalidInput,
            format!("{doing}: the kernel was busy; try again"),
        ),
        Failure::Malformed => Error::new(
            Kind::InvalidInput,
            format!("{doing}: the kernel's answer cannot be read"),
        ),
    }
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
    fn what_a_default_route_is() {
        let main = libc::RT_TABLE_MAIN;
        let unicast = libc::RTN_UNICAST;
        let default = |body: &[u8]| is_default(body);
        assert_eq!(default(&route(0, main, unicast, &[])), Some(true));
        assert_eq!(default(&route(1, main, unicast, &[])), Some(false));
        assert_eq!(
            default(&route(0, main, libc::RTN_BLACKHOLE, &[])),
            Some(false)
        );
        // A table above 255 stands in the attribute alone.
        let mut other = Writer::new();
        other.ne32(TABLE, 1000);
        let other = other.finish();
        assert_eq!(default(&route(0, main, unicast, &other)), Some(false));
        assert_eq!(default(&[2, 0, 0]), None);
    }
}
