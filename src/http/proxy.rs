//! Which proxy a URL is asked through: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` as Go's
//! `httpproxy` package reads them, since the reference and the agent do so. `http` URLs go by
//! `CONNECT` too.

use std::net::IpAddr;

use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

use crate::config::{Setting, WebConfig};
use crate::error::{Error, Kind, Result};

/// The proxies in force.
#[derive(Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Vec<Direct>,
}

/// One entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Direct {
    /// `*`
    All,
    /// Addresses: one, or a network of so many bits.
    Network(IpAddr, u8),
    /// A name: with `itself` also the name, not only what is below it; a port, if one was given.
    Name {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    /// One address and port.
    Address(IpAddr, u16),
}

impl Proxies {
    /// Reads the configuration.
    ///
    /// # Errors
    /// A proxy URL that cannot be used, by its place; never by its text, which may hold a password.
    pub fn new(config: &WebConfig) -> Result<Proxies> {
        Ok(Proxies {
            http: parse("HTTP_PROXY", config.http_proxy.as_ref())?,
            https: parse("HTTPS_PROXY", config.https_proxy.as_ref())?,
            direct: config
                .no_proxy
                .as_ref()
                .map_or_else(Vec::new, |list| entries(list)),
        })
    }

    /// The proxy for this URL; `None` to ask the host itself.
    #[must_use]
    pub fn of(&self, uri: &Uri) -> Option<&Proxy> {
        let https = uri.scheme_str() == Some("https");
        let proxy = if https { &self.https } else { &self.http };
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let host = uri.host().unwrap_or_default();
        proxy.as_ref().filter(|_| !self.is_direct(host, port))
    }

    fn is_direct(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        // No proxy can mean *our* loopback.
        if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
            return true;
        }
        self.direct.iter().any(|entry| match entry {
            Direct::All => true,
            Direct::Network(network, bits) => {
                address.is_some_and(|a| in_network(a, *network, *bits))
            }
            Direct::Address(a, p) => address == Some(*a) && *p == port,
            Direct::Name {
                name,
                itself,
                port: wanted,
            } => {
                let below = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|front| front.ends_with('.'));
                (below || (*itself && host == *name)) && wanted.is_none_or(|p| p == port)
            }
        })
    }
}

fn parse(name: &str, setting: Option<&Setting<String>>) -> Result<Option<Proxy>> {
    let Some(setting) = setting else {
        return Ok(None);
    };
    let wrong = |why: &str| {
        Error::new(
            Kind::InvalidInput,
            format!("{}: {name} {why}", setting.origin),
        )
    };
    // `host:port` reads as a scheme and its rest; Go takes it for an `http` proxy.
    let url = if setting.contains("://") {
        (**setting).clone()
    } else {
        format!("http://{}", **setting)
    };
    let proxy = Proxy::new(&url).map_err(|_| wrong("is no proxy URL (http://host:port)"))?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(Some(proxy)),
        _ => Err(wrong(
            "names a SOCKS proxy; only http:// and https:// will do",
        )),
    }
}

fn entries(list: &str) -> Vec<Direct> {
    list.split([',', ' ', '\t'])
        .filter_map(|entry| read(&entry.trim().to_ascii_lowercase()))
        .collect()
}

fn read(entry: &str) -> Option<Direct> {
    if entry.is_empty() {
        return None;
    }
    if entry == "*" {
        return Some(Direct::All);
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let network: IpAddr = network.parse().ok()?;
        let bits = bits.parse().ok().filter(|b| *b <= width(network))?;
        return Some(Direct::Network(network, bits));
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(Direct::Network(address, width(address)));
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (entry, None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let (Ok(address), Some(port)) = (bare.parse(), port) {
        return Some(Direct::Address(address, port));
    }
    // `.name` and `*.name` are what is below the name; `name` is that and the name.
    let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
    Some(Direct::Name {
        name: below.unwrap_or(host).trim_end_matches('.').to_owned(),
        itself: below.is_none(),
        port,
    })
    .filter(|d| !matches!(d, Direct::Name { name, .. } if name.is_empty()))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether the first `bits` bits are the same.
fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            (u32::from(a) ^ u32::from(n))
                .checked_shr(32 - u32::from(bits))
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            (u128::from(a) ^ u128::from(n))
                .checked_shr(128 - u32::from(bits))
                .unwrap_or(0)
                == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(list: &str, host: &str, port: u16) -> bool {
        let proxies = Proxies {
            direct: entries(list),
            ..Proxies::default()
        };
        proxies.is_direct(host, port)
    }

    #[test]
    fn no_proxy_as_go_reads_it() {
        for (list, host, port, expected) in [
            ("", "s3.eu-west-1.amazonaws.com", 443, false),
            ("*", "anything", 443, true),
            ("amazonaws.com", "amazonaws.com", 443, true),
            ("amazonaws.com", "S3.eu-west-1.Amazonaws.COM.", 443, true),
            ("amazonaws.com", "notamazonaws.com", 443, false),
            (".amazonaws.com", "amazonaws.com", 443, false),
            (".amazonaws.com", "s3.amazonaws.com", 443, true),
            ("*.amazonaws.com", "s3.amazonaws.com", 443, true),
            ("a.test, b.test", "b.test", 80, true),
            ("b.test:8080", "b.test", 80, false),
            ("b.test:8080", "b.test", 8080, true),
            ("10.0.0.0/8", "10.200.0.1", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false),
            ("0.0.0.0/0", "11.0.0.1", 80, true),
            ("10.0.0.1", "10.0.0.1", 80, true),
            ("10.0.0.1:81", "10.0.0.1", 80, false),
            ("10.0.0.1:81", "10.0.0.1", 81, true),
            ("fd00::/8", "[fd00:ec2::254]", 80, true),
            ("[fd00::1]", "[fd00::1]", 80, true),
            ("[fd00::1]:81", "[fd00::1]", 81, true),
            ("10.0.0.0/99", "10.0.0.0", 80, false),
            ("", "localhost", 80, true),
            ("", "127.8.8.8", 80, true),
            ("", "[::1]", 80, true),
            (",,", "x", 80, false),
        ] {
            assert_eq!(direct(list, host, port), expected, "{list:?} {host} {port}");
        }
    }

    fn config(https: &str) -> WebConfig {
        let (mut config, _) = crate::config::Config::load([]);
        config.web.https_proxy = Some(Setting::new(
            https.to_owned(),
            crate::config::Origin::Environment,
        ));
        config.web
    }

    #[test]
    fn the_scheme_decides_which() {
        let proxies = Proxies::new(&config("p.test:3128")).unwrap();
        let of = |url: &str| proxies.of(&url.parse().unwrap()).map(Proxy::port);
        assert_eq!(of("https://a.test/x"), Some(3128));
        assert_eq!(of("http://a.test/x"), None);
    }

    #[test]
    fn a_bad_proxy_is_named_without_its_password() {
        for bad in [
            "socks5://u:geheim@p:1",
            "ftp://u:geheim@p",
            "http://u:geheim@",
        ] {
            let error = Proxies::new(&config(bad)).unwrap_err().to_string();
            assert!(error.contains("HTTPS_PROXY"), "{error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
