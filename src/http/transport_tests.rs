//! The transports against real sockets: pairs of them, and loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use ureq::Agent;

use super::*;
use crate::testing::TempDir;

/// An order to stop, and the end that gives it.
fn order() -> (Stop, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Stop::from(OwnedFd::from(ours)), theirs)
}

fn unix_agent(path: PathBuf, stop: Stop) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false);
    Agent::with_parts(config.build(), UnixConnector { path, stop }, NoResolver)
}

/// Reads up to the empty line that ends a request's head.
fn read_head(stream: &mut impl Read) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_request_goes_out_and_its_answer_comes_back() {
    let dir = TempDir::new("unix");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut s, _) = listener.accept().unwrap();
        let head = read_head(&mut s);
        // In pieces, so that more than one wait is needed.
        for piece in ["HTTP/1.1 200 OK\r\nContent-", "Length: 5\r\n\r\nhe", "llo"] {
            s.write_all(piece.as_bytes()).unwrap();
        }
        head
    });
    let mut answer = unix_agent(path, Stop::never())
        .get("http://x/a?b")
        .call()
        .unwrap();
    assert_eq!(answer.body_mut().read_to_string().unwrap(), "hello");
    assert!(server.join().unwrap().starts_with("GET /a?b HTTP/1.1\r\n"));
}

#[test]
fn the_order_to_stop_ends_a_wait_for_an_answer() {
    let dir = TempDir::new("stop");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let (stop, mut give) = order();
    let server = thread::spawn(move || {
        let (mut s, _) = listener.accept().unwrap();
        read_head(&mut s);
        give.write_all(b"!").unwrap();
        // Says nothing, until the client hangs up.
        s.read(&mut [0]).unwrap()
    });
    let agent = unix_agent(path, stop);
    let error = agent.get("http://x/").call().unwrap_err().into_io();
    assert!(was_stopped(&error), "{error}");
    assert_eq!(server.join().unwrap(), 0);
}

#[test]
fn the_order_to_stop_ends_a_write_that_nobody_reads() {
    let dir = TempDir::new("write");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let (stop, mut give) = order();
    let server = thread::spawn(move || {
        let (mut s, _) = listener.accept().unwrap();
        read_head(&mut s);
        give.write_all(b"!").unwrap();
        s
    });
    let agent = unix_agent(path, stop);
    // More than any socket buffer.
    let error = agent.post("http://x/").send(&vec![0; 64 << 20][..]);
    assert!(was_stopped(&error.unwrap_err().into_io()));
    drop(server.join().unwrap());
}

#[test]
fn an_answer_that_comes_before_the_body_is_sent_is_read() {
    let dir = TempDir::new("early");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut s, _) = listener.accept().unwrap();
        read_head(&mut s);
        s.write_all(b"HTTP/1.1 507 Full\r\nContent-Length: 4\r\n\r\nfull")
            .unwrap();
    });
    let answer = unix_agent(path, Stop::never())
        .post("http://x/")
        .send(&vec![0; 64 << 20][..]);
    let mut answer = answer.unwrap();
    assert_eq!(answer.status(), 507);
    assert_eq!(answer.body_mut().read_to_string().unwrap(), "full");
    server.join().unwrap();
}

#[test]
fn a_time_out_says_which_one_it_was() {
    let dir = TempDir::new("timeout");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
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
fn a_full_queue_is_waited_for_and_the_wait_can_end() {
    let dir = TempDir::new("queue");
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    // As bound it has room for more connections than a process may have open.
    socket::shorten_queue(&listener).unwrap();
    // Nobody accepts: sooner or later the kernel queues no more.
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
fn errors_of_the_path_are_the_kernels() {
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

/// Several addresses, whatever the name.
#[derive(Debug)]
struct Fixed(Vec<SocketAddr>);

impl Resolver for Fixed {
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
fn a_refusing_address_leads_to_the_next() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let open = listener.local_addr().unwrap();
    // A port that nobody is given.
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
        let fixed = Fixed(addrs.to_vec());
        let agent = Agent::with_parts(
            config,
            TcpConnector {
                stop: Stop::never(),
            },
            fixed,
        );
        agent.get("http://several/").call()
    };
    let mut answer = get(&[closed, open]).unwrap();
    assert_eq!(answer.body_mut().read_to_string().unwrap(), "ok");
    server.join().unwrap();

    let error = get(&[closed]).unwrap_err().into_io();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&closed.to_string()), "{error}");
}

#[test]
fn a_kept_connection_is_open_only_while_the_peer_is_there_and_silent() {
    let transport = || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let buffers = LazyBuffers::new(1024, 1024);
        (StreamTransport::new(ours, buffers, Stop::never()), theirs)
    };
    let (mut t, peer) = transport();
    assert!(t.is_open());
    drop(peer);
    assert!(!t.is_open(), "closed");
    let (mut t, mut peer) = transport();
    peer.write_all(b"x").unwrap();
    assert!(!t.is_open(), "a stray byte");
}
