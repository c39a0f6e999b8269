//! An HTTP server on loopback that records its requests and whose responses can be faulty.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A received request.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub fn is_tar(&self) -> bool {
        Path::new(&self.path).extension() == Some("tar".as_ref())
    }
}

/// How the body is sent.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    Whole,
    /// This many bytes, then the connection is closed.
    Cut(usize),
    /// This many bytes, then nothing until the client closes the connection.
    Stall(usize),
    /// One byte every 10 ms.
    Drip,
    /// In chunks, without a length.
    Chunked,
}

#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    content: Vec<u8>,
    body: Body,
}

impl Reply {
    pub fn new(status: u16, content: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            content: content.into(),
            body: Body::Whole,
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, body: Body) -> Reply {
        self.body = body;
        self
    }

    fn send(&self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        let mut headers = self.headers.clone();
        headers.push(("Connection".into(), "close".into()));
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(n, _)| n.eq_ignore_ascii_case(name))
        };
        if matches!(self.body, Body::Chunked) {
            headers.push(("Transfer-Encoding".into(), "chunked".into()));
        } else if !has("content-length") {
            let length = ("Content-Length".into(), self.content.len().to_string());
            headers.push(length);
        }
        write!(stream, "HTTP/1.1 {} X\r\n", self.status)?;
        for (name, value) in &headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        stream.write_all(b"\r\n")?;
        match self.body {
            Body::Whole => stream.write_all(&self.content)?,
            Body::Cut(n) => stream.write_all(&self.content[..n])?,
            Body::Stall(n) => {
                stream.write_all(&self.content[..n])?;
                stream.flush()?;
                io::copy(stream, &mut io::sink())?;
            }
            Body::Drip => {
                for byte in &self.content {
                    stream.write_all(&[*byte])?;
                    stream.flush()?;
                    thread::sleep(Duration::from_millis(10));
                }
            }
            Body::Chunked => {
                for chunk in self.content.chunks(10_000) {
                    write!(stream, "{:x}\r\n", chunk.len())?;
                    stream.write_all(chunk)?;
                    stream.write_all(b"\r\n")?;
                }
                stream.write_all(b"0\r\n\r\n")?;
            }
        }
        stream.flush()
    }
}

type Handler = dyn Fn(&Request, usize) -> Reply + Send + Sync;

pub struct Server {
    pub address: SocketAddr,
    scheme: &'static str,
    requests: Arc<Mutex<Vec<Request>>>,
    closed: Arc<AtomicBool>,
    accepting: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Serves HTTP. The handler gets the request and the number of earlier requests for its path.
    pub fn http(handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Server {
        Server::on(bind(), None, handler)
    }

    /// Serves HTTPS.
    pub fn https(
        tls: Arc<ServerConfig>,
        handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Server {
        Server::on(bind(), Some(tls), handler)
    }

    pub fn on(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let mut server = Server {
            address: listener.local_addr().unwrap(),
            scheme: if tls.is_some() { "https" } else { "http" },
            requests: Arc::default(),
            closed: Arc::default(),
            accepting: None,
        };
        let (requests, closed) = (Arc::clone(&server.requests), Arc::clone(&server.closed));
        let handler: Arc<Handler> = Arc::new(handler);
        server.accepting = Some(thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    break;
                }
                let (tls, requests, handler) = (tls.clone(), requests.clone(), handler.clone());
                // Errors are ignored: the client may close the connection.
                thread::spawn(move || {
                    let _ = stream.and_then(|s| connection(s, tls, &requests, &*handler));
                });
            }
        }));
        server
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|r| r.path).collect()
    }

    pub fn tar_requests(&self) -> Vec<Request> {
        self.requests()
            .into_iter()
            .filter(Request::is_tar)
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then drops the listener.
        if TcpStream::connect(self.address).is_ok() {
            let _ = self.accepting.take().map(thread::JoinHandle::join);
        }
    }
}

/// A port that refuses connections: it is below the range of ephemeral ports.
pub const CLOSED_PORT: &str = "http://127.0.0.1:1";

pub fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn connection(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    requests: &Mutex<Vec<Request>>,
    handler: &Handler,
) -> io::Result<()> {
    match tls {
        None => serve(stream, requests, handler),
        Some(tls) => {
            let session = ServerConnection::new(tls).map_err(io::Error::other)?;
            serve(StreamOwned::new(session, stream), requests, handler)
        }
    }
}

fn serve(
    mut stream: impl Read + Write,
    requests: &Mutex<Vec<Request>>,
    handler: &Handler,
) -> io::Result<()> {
    let request = read(&mut stream)?;
    let before = {
        let mut requests = requests.lock().unwrap();
        let before = requests.iter().filter(|r| r.path == request.path).count();
        requests.push(request.clone());
        before
    };
    handler(&request, before).send(&mut stream)
}

/// Reads the head of a request.
pub fn read(stream: &mut impl Read) -> io::Result<Request> {
    let mut lines = BufReader::with_capacity(1, stream).lines();
    let mut next = move || {
        lines
            .next()
            .unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()))
    };
    let first = next()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let mut headers = Vec::new();
    loop {
        let line = next()?;
        match line.split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    Ok(Request {
        method,
        path,
        headers,
    })
}
