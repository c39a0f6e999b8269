//! What can go wrong on the way to a web server and back, told apart by what is to be done about
//! it: `ureq`, rustls and the sockets each have their own way of saying so.

use std::error::Error as StdError;
use std::{fmt, io};

use crate::error::{Error, Interrupted, Kind};
use crate::sys::resolve::LookupError;

/// Why a request came to nothing. An answer of any status is no failure of the request.
#[derive(Debug)]
pub enum Failure {
    /// A limit of [`super::web::Limits`] was reached; the text says which.
    TimedOut(String),
    /// The connection: refused, reset, no route, ended early.
    Network(io::Error),
    /// The host's name has no address.
    Lookup {
        /// Whether the name servers may know better in a moment.
        temporary: bool,
        /// What they said.
        why: String,
    },
    /// TLS: the server's certificate, or the protocol itself.
    Tls(rustls::Error),
    /// The proxy would not connect us; its status, if it gave one.
    Proxy(Option<u16>, String),
    /// What came back is no HTTP, or cannot be followed.
    Protocol(String),
    /// SIGTERM or SIGINT came.
    Interrupted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::TimedOut(which) => write!(f, "timed out ({which})"),
            Failure::Network(e) => write!(f, "{e}"),
            Failure::Lookup { why, .. } => write!(f, "cannot resolve the host's name: {why}"),
            Failure::Tls(e) => {
                write!(f, "TLS: {e}")?;
                match hint(e) {
                    Some(hint) => write!(f, " ({hint})"),
                    None => Ok(()),
                }
            }
            Failure::Proxy(_, why) | Failure::Protocol(why) => f.write_str(why),
            Failure::Interrupted => write!(f, "{Interrupted}"),
        }
    }
}

/// What a person can do about a certificate that was refused.
fn hint(error: &rustls::Error) -> Option<&'static str> {
    use rustls::CertificateError as C;
    let rustls::Error::InvalidCertificate(why) = error else {
        return None;
    };
    match why {
        C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. } => {
            Some("is the host's clock right?")
        }
        C::UnknownIssuer => Some("set AWS_CA_BUNDLE if a private authority signed it"),
        _ => None,
    }
}

impl StdError for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Interrupted => Error::interrupted(),
            other => Error::new(Kind::InvalidInput, other.to_string()),
        }
    }
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Failure {
        match error {
            ureq::Error::Io(e) => e.into(),
            ureq::Error::Timeout(which) => Failure::TimedOut(which.to_string()),
            ureq::Error::HostNotFound => Failure::Lookup {
                temporary: false,
                why: "it has no address".into(),
            },
            ureq::Error::ConnectProxyFailed(why) => Failure::Proxy(proxy_status(&why), why),
            ureq::Error::ConnectionFailed => {
                Failure::Network(io::Error::other("no connection could be made"))
            }
            ureq::Error::Other(cause) => boxed(cause),
            other => Failure::Protocol(other.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.get_ref().is_none() {
            return Failure::Network(error);
        }
        let kind = error.kind();
        match error.into_inner() {
            Some(cause) if is_known(&*cause) => boxed(cause),
            Some(cause) => Failure::Network(io::Error::new(kind, cause)),
            None => Failure::Network(kind.into()),
        }
    }
}

fn is_known(cause: &(dyn StdError + Send + Sync + 'static)) -> bool {
    cause.is::<ureq::Error>()
        || cause.is::<rustls::Error>()
        || cause.is::<Interrupted>()
        || cause.is::<LookupError>()
        || cause.is::<io::Error>()
}

/// Unpacks what a transport, the resolver or rustls put into another's error.
fn boxed(cause: Box<dyn StdError + Send + Sync>) -> Failure {
    let cause = match cause.downcast::<ureq::Error>() {
        Ok(e) => return (*e).into(),
        Err(cause) => cause,
    };
    let cause = match cause.downcast::<io::Error>() {
        Ok(e) => return (*e).into(),
        Err(cause) => cause,
    };
    let cause = match cause.downcast::<rustls::Error>() {
        Ok(e) => return Failure::Tls(*e),
        Err(cause) => cause,
    };
    let cause = match cause.downcast::<LookupError>() {
        Ok(e) => {
            return Failure::Lookup {
                temporary: e.temporary,
                why: e.to_string(),
            };
        }
        Err(cause) => cause,
    };
    if cause.is::<Interrupted>() {
        Failure::Interrupted
    } else {
        Failure::Network(io::Error::other(cause))
    }
}

/// The status in `ureq`'s words about a proxy's refusal ("… responded 407/407"), which it gives
/// in no other way. None if it ever words it differently.
fn proxy_status(why: &str) -> Option<u16> {
    let (_, after) = why.rsplit_once("responded ")?;
    after.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_found_at_any_depth() {
        let inner = io::Error::other(ureq::Error::Io(io::Error::other(Interrupted)));
        assert!(matches!(inner.into(), Failure::Interrupted));
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let failure = Failure::from(ureq::Error::Io(io::Error::other(tls)));
        assert!(matches!(failure, Failure::Tls(_)));
        assert!(failure.to_string().contains("AWS_CA_BUNDLE"), "{failure}");
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let failure = Failure::from(ureq::Error::Io(refused));
        assert!(
            matches!(failure, Failure::Network(e) if e.kind() == io::ErrorKind::ConnectionRefused)
        );
    }

    #[test]
    fn a_proxys_status_is_read() {
        let failed = |why: &str| ureq::Error::ConnectProxyFailed(why.into()).into();
        assert!(matches!(
            failed("proxy server responded 407/407"),
            Failure::Proxy(Some(407), _)
        ));
        assert!(matches!(failed("no answer"), Failure::Proxy(None, _)));
    }

    #[test]
    fn a_stop_ends_the_program_as_one() {
        assert!(Error::from(Failure::Interrupted).is_interrupted());
    }
}
