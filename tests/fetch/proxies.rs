//! Downloads with a proxy, and with `NO_PROXY`.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::server::{Request, Server, bind, read};
use super::tls::{Authority, valid_reply};
use super::{Host, fetch_error, logs};

/// A CONNECT proxy that connects every name to one address.
struct Proxy {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Proxy {
    /// Connects to `to`, or responds with the status `refusal`.
    fn new(to: String, refusal: Option<u16>) -> Proxy {
        let listener = bind();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
        };
        let requests = Arc::clone(&proxy.requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (to, requests) = (to.clone(), requests.clone());
                thread::spawn(move || {
                    let _ = stream.and_then(|s| tunnel(s, &to, refusal, &requests));
                });
            }
        });
        proxy
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn tunnel(
    mut client: TcpStream,
    to: &str,
    refusal: Option<u16>,
    requests: &Mutex<Vec<Request>>,
) -> io::Result<()> {
    requests.lock().unwrap().push(read(&mut client)?);
    if let Some(status) = refusal {
        return client.write_all(format!("HTTP/1.1 {status} No\r\n\r\n").as_bytes());
    }
    let mut server = TcpStream::connect(to)?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    io::copy(&mut server, &mut client)?;
    client.shutdown(Shutdown::Write)
}

#[test]
fn https_uses_connect_proxy() {
    let server = Server::https(Arc::clone(&Authority::get().server), valid_reply);
    let proxy = Proxy::new(server.address.to_string(), None);
    let url = format!("http://user:s3cr3t%21@127.0.0.1:{}", proxy.port);
    let host = Authority::get().host(
        "https://bucket.test/m",
        &[("AWS_CA_BUNDLE", "/ca.pem"), ("HTTPS_PROXY", &url)],
    );
    assert_eq!(host.content().unwrap().1, b"signature");
    for request in proxy.requests() {
        assert_eq!(request.method, "CONNECT");
        assert_eq!(request.path, "bucket.test:443");
        // user:s3cr3t!
        let basic = request.header("proxy-authorization");
        assert_eq!(basic, Some("Basic dXNlcjpzM2NyM3Qh"));
    }
    assert_eq!(proxy.requests().len(), 2);
    assert_eq!(
        server.paths(),
        ["/m/ecs-agent-latest.tar.asc", "/m/ecs-agent-latest.tar"]
    );
    for request in server.requests() {
        assert_eq!(request.header("proxy-authorization"), None);
    }
    for secret in ["s3cr3t", "dXNlcjpzM2NyM3Qh"] {
        assert_eq!(logs::containing(secret), [""; 0], "not by ureq either");
    }
}

#[test]
fn http_and_https_proxies() {
    let server = Server::http(valid_reply);
    let proxy = Proxy::new(server.address.to_string(), None);
    let address = format!("127.0.0.1:{}", proxy.port);
    let host = Host::mirror(
        "http://bucket.test:8080",
        &[("http_proxy", &address), ("https_proxy", "127.0.0.1:1")],
    );
    assert_eq!(host.content().unwrap().1, b"signature");
    assert_eq!(proxy.requests()[0].path, "bucket.test:8080");
}

#[test]
fn no_proxy_bypasses_the_proxy() {
    let server = Server::http(valid_reply);
    let proxy = Proxy::new(server.address.to_string(), None);
    let address = format!("127.0.0.1:{}", proxy.port);
    // 0.0.0.0 is this host, too, but unlike loopback addresses not exempt from proxies.
    let mirror = format!("http://0.0.0.0:{}", server.address.port());
    let through = Host::mirror(&mirror, &[("HTTP_PROXY", &address)]);
    through.content().unwrap();
    assert_eq!(proxy.requests().len(), 2);
    let past = Host::mirror(
        &mirror,
        &[("HTTP_PROXY", &address), ("NO_PROXY", "x.test, 0.0.0.0/8")],
    );
    past.content().unwrap();
    assert_eq!(proxy.requests().len(), 2);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn proxy_error_names_status() {
    for status in [407, 403] {
        let proxy = Proxy::new(String::new(), Some(status));
        let address = format!("127.0.0.1:{}", proxy.port);
        let host = Host::mirror("https://bucket.test", &[("HTTPS_PROXY", &address)]);
        let error = fetch_error(&host);
        assert!(error.contains(&status.to_string()), "{error}");
        assert_eq!(proxy.requests().len(), 1);
    }
    let proxy = Proxy::new(String::new(), Some(503));
    let address = format!("127.0.0.1:{}", proxy.port);
    let mut host = Host::mirror("https://bucket.test", &[("HTTPS_PROXY", &address)]);
    let retried = host.retries(|| proxy.requests().len(), |error| error.contains("503"));
    assert!(retried, "503 is transient");
}
