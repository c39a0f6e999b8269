//! TLS: who is believed, and who is not.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use ecs_init::retry::RetryLimit;
use ecs_init::testing::TempDir;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::server::{Object, Reply, Request, Server};
use super::{Host, logs, refused};

/// An authority and a server's certificate for 127.0.0.1 and bucket.test, made by openssl(1).
pub struct Authority {
    dir: TempDir,
    pub server: Arc<ServerConfig>,
}

impl Authority {
    /// One for all tests; it takes a moment to make.
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
            "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out s.pem -days 2 -extfile names",
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

    /// A host whose file /ca.pem is this authority, for a variable to name.
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

pub fn good(request: &Request, _: usize) -> Reply {
    if request.is_tar() {
        tar().get(request)
    } else {
        Reply::new(200, "signature")
    }
}

#[test]
fn an_unknown_authority_is_refused_at_once_and_loudly() {
    let server = Server::https(Arc::clone(&Authority::get().server), good);
    let error = refused(&Host::mirror(&server.url(), &[]));
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert!(error.contains("AWS_CA_BUNDLE"), "{error}");
    assert!(server.asked().is_empty(), "nothing is asked of a stranger");
    let logged = logs::with(&server.url());
    assert_eq!(logged.iter().filter(|l| l.starts_with("ERROR")).count(), 1);
    assert!(
        !logged.iter().any(|l| l.contains("retrying in")),
        "{logged:?}"
    );
}

#[test]
fn an_authority_of_ones_own_is_believed() {
    let server = Server::https(Arc::clone(&Authority::get().server), good);
    for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let host = Authority::get().host(&server.url(), &[(name, "/ca.pem")]);
        assert!(host.content().unwrap().0 == tar().content);
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new("subjectAltName=DNS:other.test");
    let server = Server::https(Arc::clone(&authority.server), good);
    let host = authority.host(&server.url(), &[("AWS_CA_BUNDLE", "/ca.pem")]);
    let error = refused(&host);
    assert!(error.contains("TLS"), "{error}");
    assert!(server.asked().is_empty());
}

#[test]
fn a_bundle_that_is_none_ends_the_search() {
    let server = Server::https(Arc::clone(&Authority::get().server), good);
    let host = Host::mirror(&server.url(), &[("AWS_CA_BUNDLE", "/absent/bundle.pem")]);
    let error = refused(&host);
    assert!(error.contains("/absent/bundle.pem"), "{error}");
    assert!(error.contains("environment"), "{error}");
}

#[test]
fn https_never_leads_to_http() {
    let plain = Server::http(good);
    let to = plain.url();
    let server = Server::https(Arc::clone(&Authority::get().server), move |request, _| {
        Reply::new(302, "").with("Location", format!("{to}{}", request.path))
    });
    let host = Authority::get().host(&server.url(), &[("AWS_CA_BUNDLE", "/ca.pem")]);
    let error = refused(&host);
    assert!(error.contains("redirected from https to http"), "{error}");
    assert!(plain.asked().is_empty());
}

#[test]
fn what_speaks_no_tls_is_not_spoken_to() {
    let plain = Server::http(good);
    let url = plain.url().replace("http:", "https:");
    let mut host = Host::mirror(&url, &[]);
    host.options.retry.limit = RetryLimit::Time(std::time::Duration::ZERO);
    // The server waits for a line that never ends in the client's hello, or closes.
    host.options.timeouts.connect = std::time::Duration::from_secs(2);
    let error = refused(&host);
    assert!(error.contains("the mirror"), "{error}");
}
