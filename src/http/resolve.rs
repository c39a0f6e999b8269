//! The name resolver for `ureq`: getaddrinfo(3) in a thread, so that a time limit or a stop signal
//! ends the wait. An abandoned thread ends when the C library gives up.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::error::Interrupted;
use crate::sys::resolve::{LookupError, lookup};
use crate::sys::signal::{Interest, Stop, WaitResult, wait};

/// How many addresses of a name are tried; `ureq` accepts no more.
const MAX_ADDRESSES: usize = 16;

/// Resolves host names until a stop signal arrives.
#[derive(Debug)]
pub struct StoppableResolver(pub Stop);

impl StoppableResolver {
    fn addresses(&self, host: &str, limit: NextTimeout) -> Result<Vec<IpAddr>, Error> {
        if let Ok(literal) = host.parse() {
            return Ok(vec![literal]);
        }
        let (mut done, waiting) = UnixStream::pair()?;
        let (send, receive) = mpsc::sync_channel::<Result<Vec<IpAddr>, LookupError>>(1);
        let name = host.to_owned();
        thread::Builder::new()
            .name("resolve".into())
            .spawn(move || {
                let _ = send.send(lookup(&name));
                // Fails if the waiting side has given up.
                let _ = done.write_all(&[1]);
            })?;
        let time = (!limit.after.is_not_happening()).then(|| *limit.after);
        match wait(Some((waiting.as_fd(), Interest::Read)), &self.0, time)? {
            WaitResult::Interrupted => Err(Error::Io(io::Error::other(Interrupted))),
            WaitResult::TimedOut => Err(Error::Timeout(limit.reason)),
            WaitResult::Ready => match receive.try_recv() {
                Ok(Ok(found)) => Ok(found),
                Ok(Err(why)) => Err(Error::Other(Box::new(why))),
                Err(_) => Err(Error::HostNotFound),
            },
        }
    }
}

impl Resolver for StoppableResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or_else(|| Error::BadUri(uri.to_string()))?;
        // IPv6 addresses are in brackets (RFC 3986, section 3.2.2).
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            _ => 80,
        });
        let found = self.addresses(host, timeout)?;
        let found = found.into_iter().map(|ip| SocketAddr::new(ip, port));
        let mut wanted = self.empty();
        for address in config.ip_family().keep_wanted(found).take(MAX_ADDRESSES) {
            wanted.push(address);
        }
        if wanted.is_empty() {
            Err(Error::HostNotFound)
        } else {
            Ok(wanted)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_addresses_get_default_ports() {
        let config = ureq::Agent::config_builder().build();
        for (url, expected) in [
            ("http://127.0.0.1/x", "127.0.0.1:80"),
            ("https://127.0.0.1/x", "127.0.0.1:443"),
            ("https://[::1]/x", "[::1]:443"),
            ("http://[::1]:8080/x", "[::1]:8080"),
        ] {
            let uri = url.parse().unwrap();
            let found = StoppableResolver(Stop::never())
                .resolve(&uri, &config, NextTimeout::default())
                .unwrap();
            assert_eq!(found.to_vec(), [expected.parse::<SocketAddr>().unwrap()]);
        }
    }

    #[test]
    fn names_are_looked_up_in_a_thread() {
        let config = ureq::Agent::config_builder().build();
        let uri = "http://localhost:8080".parse().unwrap();
        let found = StoppableResolver(Stop::never())
            .resolve(&uri, &config, NextTimeout::default())
            .unwrap();
        let local = |a: &SocketAddr| a.ip().is_loopback() && a.port() == 8080;
        assert!(!found.is_empty() && found.iter().all(local), "{found:?}");
    }
}
