//! Which proxy a URL is requested through: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` as Go's
//! `httpproxy` package reads them, because Amazon's ecs-init and the agent use that. `http` URLs
//! use `CONNECT`, too.

use std::net::IpAddr;

use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

use crate::config::{Setting, WebConfig};
use crate::error::{Error, Result};

/// The configured proxies.
#[derive(Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    bypass: Vec<Bypass>,
}

/// An entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bypass {
    /// `*`
    All,
    /// An address, or a network with this prefix length.
    Network(IpAddr, u8),
    /// A domain: its subdomains, and the name itself if `include_name`. With `port`, only this
    /// port.
    Name {
        name: String,
        include_name: bool,
        port: Option<u16>,
    },
    /// An address and port.
    Address(IpAddr, u16),
}

impl Proxies {
    /// The proxies of this configuration.
    ///
    /// # Errors
    /// A proxy URL is invalid. The message names where it is set, but not the URL, which may
    /// contain a password.
    pub fn new(config: &WebConfig) -> Result<Proxies> {
        Ok(Proxies {
            http: parse_proxy("HTTP_PROXY", config.http_proxy.as_ref())?,
            https: parse_proxy("HTTPS_PROXY", config.https_proxy.as_ref())?,
            bypass: config
                .no_proxy
                .as_ref()
                .map_or_else(Vec::new, |list| parse_no_proxy(list)),
        })
    }

    /// The proxy for this URL; `None` for a direct connection.
    pub fn for_uri(&self, uri: &Uri) -> Option<&Proxy> {
        let https = uri.scheme_str() == Some("https");
        let proxy = if https { &self.https } else { &self.http };
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let host = uri.host().unwrap_or_default();
        proxy.as_ref().filter(|_| !self.is_bypassed(host, port))
    }

    fn is_bypassed(&self, host: &str, port: u16) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        // A proxy would connect to its own loopback.
        if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
            return true;
        }
        self.bypass.iter().any(|entry| match entry {
            Bypass::All => true,
            Bypass::Network(network, bits) => {
                address.is_some_and(|a| in_network(a, *network, *bits))
            }
            Bypass::Address(a, p) => address == Some(*a) && *p == port,
            Bypass::Name {
                name,
                include_name,
                port: wanted,
            } => {
                let is_subdomain = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|prefix| prefix.ends_with('.'));
                (is_subdomain || (*include_name && host == *name))
                    && wanted.is_none_or(|p| p == port)
            }
        })
    }
}

fn parse_proxy(name: &str, setting: Option<&Setting<String>>) -> Result<Option<Proxy>> {
    let Some(setting) = setting else {
        return Ok(None);
    };
    let invalid = |why: &str| Error::invalid(format!("{}: {name}: {why}", setting.origin));
    // Like Go, take `host:port` for an `http` proxy.
    let url = if setting.contains("://") {
        (**setting).clone()
    } else {
        format!("http://{}", **setting)
    };
    let proxy = Proxy::new(&url).map_err(|_| invalid("not a proxy URL (http://host:port)"))?;
    match proxy.protocol() {
        ProxyProtocol::Http | ProxyProtocol::Https => Ok(Some(proxy)),
        _ => Err(invalid(
            "SOCKS is not supported; use an http:// or https:// proxy",
        )),
    }
}

fn parse_no_proxy(list: &str) -> Vec<Bypass> {
    list.split([',', ' ', '\t'])
        .filter_map(|entry| parse_entry(&entry.trim().to_ascii_lowercase()))
        .collect()
}

fn parse_entry(entry: &str) -> Option<Bypass> {
    if entry.is_empty() {
        return None;
    }
    if entry == "*" {
        return Some(Bypass::All);
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let network: IpAddr = network.parse().ok()?;
        let bits = bits.parse().ok().filter(|b| *b <= address_bits(network))?;
        return Some(Bypass::Network(network, bits));
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(Bypass::Network(address, address_bits(address)));
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (entry, None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let (Ok(address), Some(port)) = (bare.parse(), port) {
        return Some(Bypass::Address(address, port));
    }
    // `.name` and `*.name` are the subdomains; `name` is the subdomains and the name.
    let parent = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
    Some(Bypass::Name {
        name: parent.unwrap_or(host).trim_end_matches('.').to_owned(),
        include_name: parent.is_none(),
        port,
    })
    .filter(|entry| !matches!(entry, Bypass::Name { name, .. } if name.is_empty()))
}

fn address_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Whether the first `bits` bits are equal.
fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let equal = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (a.to_bits() ^ n.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(n)) => (a.to_bits() ^ n.to_bits()).leading_zeros(),
        _ => return false,
    };
    equal >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bypassed(list: &str, host: &str, port: u16) -> bool {
        let proxies = Proxies {
            bypass: parse_no_proxy(list),
            ..Proxies::default()
        };
        proxies.is_bypassed(host, port)
    }

    #[test]
    fn no_proxy_entries_like_go() {
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
            assert_eq!(
                bypassed(list, host, port),
                expected,
                "{list:?} {host} {port}"
            );
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
    fn proxy_is_chosen_by_scheme() {
        let proxies = Proxies::new(&config("p.test:3128")).unwrap();
        let of = |url: &str| proxies.for_uri(&url.parse().unwrap()).map(Proxy::port);
        assert_eq!(of("https://a.test/x"), Some(3128));
        assert_eq!(of("http://a.test/x"), None);
    }

    #[test]
    fn invalid_proxy_error_has_no_password() {
        for bad in [
            "socks5://u:s3cr3t@p:1",
            "ftp://u:s3cr3t@p",
            "http://u:s3cr3t@",
        ] {
            let error = Proxies::new(&config(bad)).unwrap_err().to_string();
            assert!(error.contains("HTTPS_PROXY"), "{error}");
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }
}
