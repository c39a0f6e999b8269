//! Parsing, redirects and redaction of URLs. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::uri::{Scheme, Uri};

use super::error::HttpError;

/// Parses an `http` or `https` URL.
///
/// # Errors
/// [`HttpError::Protocol`] for anything else, with the URL redacted.
pub fn parse(url: &str) -> Result<Uri, HttpError> {
    let uri: Uri = url
        .parse()
        .map_err(|e| HttpError::Protocol(format!("not a URL: {}: {e}", redact(url))))?;
    let known = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    if known && uri.host().is_some_and(|h| !h.is_empty()) {
        Ok(uri)
    } else {
        Err(HttpError::Protocol(format!(
            "not an http:// or https:// URL: {}",
            redact(url)
        )))
    }
}

/// The target of a redirect (RFC 9110, section 15.4); `None` for a response that is not one.
///
/// # Errors
/// `Location` is missing, or the redirect leads out of HTTP or from `https` to `http`.
pub fn redirect(from: &Uri, status: u16, location: Option<&str>) -> Result<Option<Uri>, HttpError> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = location else {
        return Err(HttpError::Protocol(format!(
            "HTTP status {status} without a Location"
        )));
    };
    let scheme = from.scheme_str().unwrap_or_default();
    let authority = from.authority().map_or("", |a| a.as_str());
    let location = location.split('#').next().unwrap_or_default();
    let next = if location.contains("://") {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let folder = from
            .path()
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        format!("{scheme}://{authority}{folder}/{location}")
    };
    let next = parse(&next)?;
    if from.scheme() == Some(&Scheme::HTTPS) && next.scheme() != Some(&Scheme::HTTPS) {
        return Err(HttpError::Protocol(format!(
            "redirected from https to {}: refused",
            redact(&next.to_string())
        )));
    }
    Ok(Some(next))
}

/// All characters but the unreserved ones (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes a path segment or a query value (RFC 3986, section 2.1).
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Percent-encodes a path and keeps its slashes.
pub fn percent_encode_path(path: &str) -> String {
    const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');
    utf8_percent_encode(path, RESERVED_IN_PATH).to_string()
}

/// The URL without user, password, query and fragment, for logs: a query may be a signature that
/// grants access.
pub fn redact(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, h)| h);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, location: &str) -> Result<String, String> {
        match redirect(&from.parse().unwrap(), 302, Some(location)) {
            Ok(next) => Ok(next.unwrap().to_string()),
            Err(e) => Err(e.to_string()),
        }
    }

    #[test]
    fn redirect_targets() {
        for (from, location, to) in [
            ("https://a/x/y", "https://b/z", "https://b/z"),
            ("http://a/x/y", "https://b/z", "https://b/z"),
            ("http://a/x/y", "http://b/z", "http://b/z"),
            ("https://a:8443/x/y", "/z?q=1#f", "https://a:8443/z?q=1"),
            ("https://a/x/y", "z", "https://a/x/z"),
            ("https://a/x", "//b/z", "https://b/z"),
        ] {
            assert_eq!(
                follow(from, location).as_deref(),
                Ok(to),
                "{from} {location}"
            );
        }
    }

    #[test]
    fn redirect_out_of_tls_or_http_is_refused() {
        for (from, location) in [
            ("https://a/x", "http://a/x"),
            ("https://a/x", "HTTP://u:s3cr3t@a/x?sig"),
            ("http://a/x", "file:///etc/passwd"),
            ("http://a/x", "ftp://a/x"),
        ] {
            let error = follow(from, location).unwrap_err();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
        assert!(redirect(&"http://a/x".parse().unwrap(), 302, None).is_err());
        assert!(matches!(
            redirect(&"http://a/x".parse().unwrap(), 200, Some("http://b")),
            Ok(None)
        ));
    }

    #[test]
    fn percent_encoding_keeps_unreserved_characters_only() {
        assert_eq!(percent_encode_path("a/B-._~9"), "a/B-._~9");
        let encoded = "%C3%A9%20%2B%252F%3F%23%26%2A";
        assert_eq!(percent_encode_path("é +%2F?#&*"), encoded);
        assert_eq!(percent_encode("a/b c?{\"é"), "a%2Fb%20c%3F%7B%22%C3%A9");
    }

    #[test]
    fn redact_removes_secrets() {
        assert_eq!(redact("https://u:p@h:1/a/b?X-Sig=1"), "https://h:1/a/b");
        assert_eq!(redact("https://h"), "https://h");
        assert_eq!(redact("h/a?x"), "h/a");
    }
}
