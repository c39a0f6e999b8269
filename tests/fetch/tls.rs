//! TLS: which certificates are trusted.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use ecs_init::retry::RetryLimit;
use ecs_init::testing::TempDir;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::object::Object;
use super::server::{Reply, Request, Server};
use super::{Host, fetch_error, logs};

/// A certificate authority and a server certificate, made by openssl(1).
pub struct Authority {
    dir: TempDir,
    pub server: Arc<ServerConfig>,
}

impl Authority {
    /// One for all tests, for 127.0.0.1 and bucket.test: openssl is slow.
    pub fn get() -> &'static Authority {
        static ONE: OnceLock<Authority> = OnceLock::new();
        ONE.get_or_init(|| Authority::new("subjectAltName=IP:127.0.0.1,DNS:bucket.test"))
    }

    fn new(names: &str) -> Authority {
        let dir = TempDir::new("ca");
        let here = dir.path();
        std::fs::write(here.join("names"), names).unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(
            here,
            &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=Test-CA -days 2"),
        );
        openssl(
            here,
            &format!("req {key} -keyout s.key -out s.csr -subj /CN=server"),
        );
        openssl(
            here,
            "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out s.pem -days 2 \
             -extfile names",
        );
        let certificate = CertificateDer::from_pem_file(here.join("s.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(here.join("s.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Authority {
            dir,
            server: Arc::new(server),
        }
    }

    /// A host whose file /ca.pem is this authority's certificate.
    pub fn host(&self, mirror: &str, environment: &[(&str, &str)]) -> Host {
        let host = Host::mirror(mirror, environment);
        let bundle = host.dir.path().join("ca.pem");
        std::fs::copy(self.dir.path().join("ca.pem"), bundle).unwrap();
        host
    }
}

fn openssl(dir: &Path, arguments: &str) {
    let done = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(dir)
        .output()
        .expect("these tests need openssl(1)");
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "openssl {arguments}: {why}");
}

fn tar() -> Object {
    Object::new(500_000, 7, "\"one\"")
}

pub fn valid_reply(request: &Request, _: usize) -> Reply {
    if request.is_tar() {
        tar().get(request)
    } else {
        Reply::new(200, "signature")
    }
}

#[test]
fn unknown_authority_is_not_retried() {
    let server = Server::https(Arc::clone(&Authority::get().server), valid_reply);
    let error = fetch_error(&Host::mirror(&server.url(), &[]));
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert!(error.contains("AWS_CA_BUNDLE"), "{error}");
    assert!(server.requests().is_empty(), "no request is sent");
    let logged = logs::containing(&server.url());
    assert_eq!(logged.iter().filter(|l| l.starts_with("ERROR")).count(), 1);
    assert!(
        !logged.iter().any(|l| l.contains("retrying in")),
        "{logged:?}"
    );
}

#[test]
fn ca_bundle_is_trusted() {
    let server = Server::https(Arc::clone(&Authority::get().server), valid_reply);
    for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let host = Authority::get().host(&server.url(), &[(name, "/ca.pem")]);
        assert!(host.content().unwrap().0 == tar().content);
    }
}

#[test]
fn certificate_for_other_name_is_rejected() {
    let authority = Authority::new("subjectAltName=DNS:other.test");
    let server = Server::https(Arc::clone(&authority.server), valid_reply);
    let host = authority.host(&server.url(), &[("AWS_CA_BUNDLE", "/ca.pem")]);
    let error = fetch_error(&host);
    assert!(error.contains("TLS"), "{error}");
    assert!(server.requests().is_empty());
}

#[test]
fn missing_bundle_ends_search() {
    let server = Server::https(Arc::clone(&Authority::get().server), valid_reply);
    let host = Host::mirror(&server.url(), &[("AWS_CA_BUNDLE", "/absent/bundle.pem")]);
    let error = fetch_error(&host);
    assert!(error.contains("/absent/bundle.pem"), "{error}");
    assert!(error.contains("environment"), "{error}");
}

#[test]
fn redirect_to_http_is_refused() {
    let plain = Server::http(valid_reply);
    let to = plain.url();
    let server = Server::https(Arc::clone(&Authority::get().server), move |request, _| {
        Reply::new(302, "").with("Location", format!("{to}{}", request.path))
    });
    let host = Authority::get().host(&server.url(), &[("AWS_CA_BUNDLE", "/ca.pem")]);
    let error = fetch_error(&host);
    assert!(error.contains("redirected from https to http"), "{error}");
    assert!(plain.requests().is_empty());
}

#[test]
fn plain_http_on_tls_port_is_an_error() {
    let plain = Server::http(valid_reply);
    let url = plain.url().replace("http:", "https:");
    let mut host = Host::mirror(&url, &[]);
    host.options.retry.limit = RetryLimit::Time(std::time::Duration::ZERO);
    // The server waits for a line that never ends in the client's hello, or closes.
    host.options.timeouts.connect = std::time::Duration::from_secs(2);
    let error = fetch_error(&host);
    assert!(error.contains("the mirror"), "{error}");
}
