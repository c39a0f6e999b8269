//! The ways in which an HTTP request fails, from the errors of `ureq`, rustls and the sockets.

use std::error::Error as StdError;
use std::{fmt, io};

use crate::error::{Error, Interrupted, Kind};
use crate::sys::resolve::LookupError;

/// Why a request failed. The source of an [`Error`].
#[derive(Debug)]
pub enum HttpError {
    /// A limit of [`super::Timeouts`] was reached: which one.
    Timeout(String),
    /// The connection was refused, reset or closed early, or the network is unreachable.
    Network(io::Error),
    /// The host name could not be resolved.
    Lookup(LookupError),
    /// The server's certificate was rejected, or the TLS protocol failed.
    Tls(rustls::Error),
    /// The proxy refused to connect: its status, if it sent one, and ureq's message.
    Proxy(Option<u16>, String),
    /// The response is not valid HTTP, or its redirect cannot be followed.
    Protocol(String),
    /// The response has a status that is not the expected one.
    Status(u16),
    /// SIGTERM or SIGINT arrived.
    Interrupted,
}

impl HttpError {
    /// The kind of the error. Only [`Kind::Transient`] errors are retried.
    pub fn kind(&self) -> Kind {
        match self {
            HttpError::Timeout(_) | HttpError::Network(_) | HttpError::Proxy(None, _) => {
                Kind::Transient
            }
            HttpError::Lookup(e) if e.transient => Kind::Transient,
            HttpError::Lookup(_) => Kind::Unavailable,
            HttpError::Tls(_) => Kind::Untrusted,
            HttpError::Protocol(_) => Kind::InvalidInput,
            HttpError::Proxy(Some(status), _) | HttpError::Status(status) => status_kind(*status),
            HttpError::Interrupted => Kind::Interrupted,
        }
    }

    /// The error of this request, such as `GET https://host/path`.
    pub fn of_request(self, request: &str) -> Error {
        Error::with_source(self.kind(), request, self)
    }
}

/// The kind of a status that is not the expected one (RFC 9110, section 15; RFC 6585, section 4,
/// for 429). S3 answers 503 for "slow down", and 403 for a missing key if the caller may not list
/// the bucket.
fn status_kind(status: u16) -> Kind {
    match status {
        408 | 429 | 500 | 502..=504 | 507..=599 => Kind::Transient,
        404 | 410 => Kind::Unavailable,
        400..=599 => Kind::Rejected,
        _ => Kind::InvalidInput,
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Timeout(which) => write!(f, "timed out ({which})"),
            HttpError::Network(e) => write!(f, "{e}"),
            HttpError::Lookup(e) => write!(f, "cannot resolve the host name: {e}"),
            HttpError::Tls(e) => match advice(e) {
                Some(advice) => write!(f, "TLS: {e} ({advice})"),
                None => write!(f, "TLS: {e}"),
            },
            HttpError::Proxy(_, message) | HttpError::Protocol(message) => f.write_str(message),
            HttpError::Status(status) => write!(f, "HTTP status {status}"),
            HttpError::Interrupted => write!(f, "{Interrupted}"),
        }
    }
}

/// What to do about a rejected certificate.
fn advice(error: &rustls::Error) -> Option<&'static str> {
    use rustls::CertificateError as C;
    let rustls::Error::InvalidCertificate(reason) = error else {
        return None;
    };
    match reason {
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => {
            Some("check the host's clock")
        }
        C::UnknownIssuer => Some("set AWS_CA_BUNDLE if a private authority issued it"),
        _ => None,
    }
}

impl StdError for HttpError {}

impl From<ureq::Error> for HttpError {
    fn from(error: ureq::Error) -> HttpError {
        match error {
            ureq::Error::Io(e) => e.into(),
            ureq::Error::Timeout(which) => HttpError::Timeout(which.to_string()),
            ureq::Error::HostNotFound => {
                HttpError::Lookup(LookupError::permanent("it has no address"))
            }
            ureq::Error::ConnectProxyFailed(message) => {
                HttpError::Proxy(proxy_status(&message), message)
            }
            ureq::Error::ConnectionFailed => HttpError::Network(io::Error::other("cannot connect")),
            ureq::Error::Other(source) => io::Error::other(source).into(),
            other => HttpError::Protocol(other.to_string()),
        }
    }
}

/// Finds the error that a transport, the resolver or rustls wrapped in this one, at any depth.
impl From<io::Error> for HttpError {
    fn from(error: io::Error) -> HttpError {
        let error = match error.downcast::<ureq::Error>() {
            Ok(e) => return e.into(),
            Err(error) => error,
        };
        let error = match error.downcast::<io::Error>() {
            Ok(e) => return e.into(),
            Err(error) => error,
        };
        let error = match error.downcast::<rustls::Error>() {
            Ok(e) => return HttpError::Tls(e),
            Err(error) => error,
        };
        match error.downcast::<LookupError>() {
            Ok(e) => HttpError::Lookup(e),
            Err(error) => match error.downcast::<Interrupted>() {
                Ok(_) => HttpError::Interrupted,
                Err(error) => HttpError::Network(error),
            },
        }
    }
}

/// The status in ureq's message about a proxy that refused ("… responded 407/407"); ureq has no
/// other access to it. `None` if the message has another form.
fn proxy_status(message: &str) -> Option<u16> {
    let (_, after) = message.rsplit_once("responded ")?;
    after.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapped_errors_are_found_at_any_depth() {
        let inner = io::Error::other(ureq::Error::Io(io::Error::other(Interrupted)));
        assert!(matches!(inner.into(), HttpError::Interrupted));
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = HttpError::from(ureq::Error::Io(io::Error::other(tls)));
        assert!(matches!(error, HttpError::Tls(_)));
        assert!(error.to_string().contains("AWS_CA_BUNDLE"), "{error}");
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = HttpError::from(ureq::Error::Io(refused));
        assert!(
            matches!(error, HttpError::Network(e) if e.kind() == io::ErrorKind::ConnectionRefused)
        );
    }

    #[test]
    fn proxy_status_is_parsed() {
        let failed = |why: &str| ureq::Error::ConnectProxyFailed(why.into()).into();
        assert!(matches!(
            failed("proxy server responded 407/407"),
            HttpError::Proxy(Some(407), _)
        ));
        assert!(matches!(failed("no answer"), HttpError::Proxy(None, _)));
    }

    #[test]
    fn kind_of_each_error() {
        use Kind::{InvalidInput, Rejected, Transient, Unavailable, Untrusted};
        let network = |kind: io::ErrorKind| HttpError::Network(kind.into());
        let lookup = |transient| {
            HttpError::Lookup(LookupError {
                transient,
                why: String::new(),
            })
        };
        let proxy = |status| HttpError::Proxy(status, String::new());
        for (error, expected) in [
            (network(io::ErrorKind::ConnectionRefused), Transient),
            (network(io::ErrorKind::ConnectionReset), Transient),
            (network(io::ErrorKind::NetworkUnreachable), Transient),
            (network(io::ErrorKind::UnexpectedEof), Transient),
            (HttpError::Timeout(String::new()), Transient),
            (
                HttpError::Tls(rustls::CertificateError::UnknownIssuer.into()),
                Untrusted,
            ),
            (HttpError::Protocol(String::new()), InvalidInput),
            (HttpError::Interrupted, Kind::Interrupted),
            (lookup(true), Transient),
            (lookup(false), Unavailable),
            (proxy(None), Transient),
            (proxy(Some(503)), Transient),
            (proxy(Some(407)), Rejected),
            (HttpError::Status(500), Transient),
            (HttpError::Status(501), Rejected),
            (HttpError::Status(503), Transient),
            (HttpError::Status(429), Transient),
            (HttpError::Status(408), Transient),
            (HttpError::Status(403), Rejected),
            (HttpError::Status(404), Unavailable),
            (HttpError::Status(400), Rejected),
            (HttpError::Status(304), InvalidInput),
        ] {
            assert_eq!(error.kind(), expected, "{error:?}");
        }
    }
}
