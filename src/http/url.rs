//! URLs: what we read, where a redirect leads, what of one may be logged. Pure.

use ureq::http::uri::{Scheme, Uri};

use super::failure::Failure;

/// Reads an `http` or `https` URL.
///
/// # Errors
/// [`Failure::Protocol`] for anything else, without its secrets.
pub fn parse(url: &str) -> Result<Uri, Failure> {
    let uri: Uri = url
        .parse()
        .map_err(|e| Failure::Protocol(format!("{} is no URL: {e}", redact(url))))?;
    let known = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    if known && uri.host().is_some_and(|h| !h.is_empty()) {
        Ok(uri)
    } else {
        Err(Failure::Protocol(format!(
            "{} is no http:// or https:// URL",
            redact(url)
        )))
    }
}

/// Where a redirect leads (RFC 9110 section 15.4), `None` if the answer is none.
///
/// # Errors
/// A redirect to nowhere, out of HTTP, or from `https` to `http`.
pub fn redirect(from: &Uri, status: u16, location: Option<&str>) -> Result<Option<Uri>, Failure> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = location else {
        return Err(Failure::Protocol(format!(
            "redirected ({status}) to nowhere: no Location"
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
        return Err(Failure::Protocol(format!(
            "redirected from https to {}; refused",
            redact(&next.to_string())
        )));
    }
    Ok(Some(next))
}

/// A URL as it may be logged: without user and password, and without the query, which may be a
/// signature that gives access.
#[must_use]
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
    fn redirects_lead_where_they_say() {
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
    fn redirects_never_leave_tls_nor_http() {
        for (from, location) in [
            ("https://a/x", "http://a/x"),
            ("https://a/x", "HTTP://u:geheim@a/x?sig"),
            ("http://a/x", "file:///etc/passwd"),
            ("http://a/x", "ftp://a/x"),
        ] {
            let error = follow(from, location).unwrap_err();
            assert!(!error.contains("geheim"), "{error}");
        }
        assert!(redirect(&"http://a/x".parse().unwrap(), 302, None).is_err());
        assert!(matches!(
            redirect(&"http://a/x".parse().unwrap(), 200, Some("http://b")),
            Ok(None)
        ));
    }

    #[test]
    fn what_is_logged_holds_no_secret() {
        assert_eq!(redact("https://u:p@h:1/a/b?X-Sig=1"), "https://h:1/a/b");
        assert_eq!(redact("https://h"), "https://h");
        assert_eq!(redact("h/a?x"), "h/a");
    }
}
