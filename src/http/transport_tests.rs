//! The transports over real sockets: socket pairs and loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use ureq::Agent;

use super::*;
use crate::testing::TempDir;

/// A stop request, and the stream that triggers it.
fn stop_and_trigger() -> (Stop, UnixStream) {
    let (stop, trigger) = UnixStream::pair().unwrap();
    (Stop::from(OwnedFd::from(stop)), trigger)
}

fn listen(name: &str) -> (TempDir, PathBuf, UnixListener) {
    let dir = TempDir::new(name);
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    (dir, path, listener)
}

fn unix_agent(path: PathBuf, stop: Stop) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false);
    Agent::with_parts(config.build(), UnixConnector { path, stop }, NoResolver)
}

/// Reads a request up to the empty line after its head.
fn read_head(stream: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn request_and_response_over_unix_socket() {
    let (_dir, path, listener) = listen("unix");
    let server = thread::spawn(move || {
        let (mut s, _) = listener.accept().unwrap();
        let head = read_head(&mut s);
        // In pieces: the client must wait more than once.
        for piece in ["HTTP/1.1 200 OK\r\nContent-", "Length: 5\r\n\r\nhe", "llo"] {
            s.write_all(piece.as_bytes()).unwrap();
        }
        head
    });
    let mut response = unix_agent(path, Stop::never())
        .get("http://x/a?b")
        .call()
        .unwrap();
    assert_eq!(response.body_mut().read_to_string().unwrap(), "hello");
    assert!(server.join().unwrap().starts_with("GET /a?b HTTP/1.1\r\n"));
}

#[test]
fn stop_ends_wait_for_response() {
    let (_dir, path, listener) = listen("stop");
    let (stop, mut trigger) = stop_and_trigger();
    let server = thread::spawn(move || {
        let (mut s, _) = listener.accept().unwrap();
        read_head(&mut s);
        trigger.write_all(b"!").unwrap();
        // Sends nothing until the client closes.
        s.read(&mut [0]).unwrap()
    });
    let agent = unix_agent(path, stop);
    let error = agent.get("http://x/").call().unwrap_err().into_io();
    assert!(was_stopped(&error), "{error}");
    assert_eq!(server.join().unwrap(), 0);
}

#[test]
fn stop_ends_blocked_write() {
    let (_dir, path, listener) = listen("write");
    let (stop, mut trigger) = stop_and_trigger();
    let server = thread::spawn(move || {
        let (mut s, _) = listener.accept().unwrap();
        read_head(&mut s);
        trigger.write_all(b"!").unwrap();
        s
    });
    let agent = unix_agent(path, stop);
    // More than any socket buffer.
    let error = agent.post("http://x/").send(&vec![0; 64 << 20][..]);
    assert!(was_stopped(&error.unwrap_err().into_io()));
    drop(server.join().unwrap());
}

#[test]
fn early_response_is_read() {
    let (_dir, path, listener) = listen("early");
    let server = thread::spawn(move || {
        let (mut s, _) = listener.accept().unwrap();
        read_head(&mut s);
        s.write_all(b"HTTP/1.1 507 Full\r\nContent-Length: 4\r\n\r\nfull")
            .unwrap();
    });
    let response = unix_agent(path, Stop::never())
        .post("http://x/")
        .send(&vec![0; 64 << 20][..]);
    let mut response = response.unwrap();
    assert_eq!(response.status(), 507);
    assert_eq!(response.body_mut().read_to_string().unwrap(), "full");
    server.join().unwrap();
}

#[test]
fn timeout_error_names_the_limit() {
    let (_dir, path, listener) = listen("timeout");
    let agent = unix_agent(path, Stop::never());
    let short = Some(Duration::from_millis(20));
    let request = agent.get("http://x/").config().timeout_global(short);
    let error = request.build().call().unwrap_err();
    assert!(
        matches!(error, Error::Timeout(ureq::Timeout::Global)),
        "{error}"
    );
    let request = agent.get("http://x/").config().timeout_per_read(short);
    let error = request.build().call().unwrap_err();
    assert!(
        matches!(error, Error::Timeout(ureq::Timeout::PerRead)),
        "{error}"
    );
    drop(listener);
}

#[test]
fn full_listen_queue_times_out() {
    let (_dir, path, listener) = listen("queue");
    // The default queue is longer than the limit of open files.
    socket::shorten_queue(&listener).unwrap();
    // Nothing accepts: at some point the queue is full.
    let mut queued = Vec::new();
    loop {
        match socket::connect_unix(&path) {
            Ok(stream) => queued.push(stream),
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::WouldBlock);
                break;
            }
        }
    }
    let agent = unix_agent(path, Stop::never());
    let short = Some(Duration::from_millis(20));
    let request = agent.get("http://x/").config().timeout_connect(short);
    let error = request.build().call().unwrap_err();
    assert!(
        matches!(error, Error::Timeout(ureq::Timeout::Connect)),
        "{error}"
    );
    drop((listener, queued));
}

#[test]
fn connect_errors_have_io_kind() {
    let dir = TempDir::new("path");
    let kind = |path: PathBuf| {
        let error = unix_agent(path, Stop::never()).get("http://x/").call();
        error.unwrap_err().into_io().kind()
    };
    assert_eq!(kind(dir.path().join("none")), ErrorKind::NotFound);
    let stale = dir.path().join("stale");
    drop(UnixListener::bind(&stale).unwrap());
    assert_eq!(kind(stale), ErrorKind::ConnectionRefused);
    assert_eq!(kind("x".repeat(108).into()), ErrorKind::InvalidInput);
}

/// Resolves every name to these addresses.
#[derive(Debug)]
struct FixedResolver(Vec<SocketAddr>);

impl Resolver for FixedResolver {
    fn resolve(
        &self,
        _uri: &ureq::http::Uri,
        _config: &ureq::config::Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut addrs = self.empty();
        self.0.iter().for_each(|a| addrs.push(*a));
        Ok(addrs)
    }
}

#[test]
fn refused_address_tries_next() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let open = listener.local_addr().unwrap();
    // Below the range of ephemeral ports.
    let closed = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let server = thread::spawn(move || {
        let (mut s, _) = listener.accept().unwrap();
        read_head(&mut s);
        s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
    });
    let get = |addrs: &[SocketAddr]| {
        let config = Agent::config_builder()
            .proxy(None)
            .timeout_connect(Some(Duration::from_secs(30)))
            .build();
        let fixed = FixedResolver(addrs.to_vec());
        let agent = Agent::with_parts(
            config,
            TcpConnector {
                stop: Stop::never(),
            },
            fixed,
        );
        agent.get("http://several/").call()
    };
    let mut response = get(&[closed, open]).unwrap();
    assert_eq!(response.body_mut().read_to_string().unwrap(), "ok");
    server.join().unwrap();

    let error = get(&[closed]).unwrap_err().into_io();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&closed.to_string()), "{error}");
}

#[test]
fn is_open_detects_close_and_stray_bytes() {
    let transport = || {
        let (stream, peer) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let buffers = LazyBuffers::new(1024, 1024);
        (StreamTransport::new(stream, buffers, Stop::never()), peer)
    };
    let (mut t, peer) = transport();
    assert!(t.is_open());
    drop(peer);
    assert!(!t.is_open(), "closed");
    let (mut t, mut peer) = transport();
    peer.write_all(b"x").unwrap();
    assert!(!t.is_open(), "a stray byte");
}
