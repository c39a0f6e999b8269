//! The part of HTTP/1.1 that `agent` and `probe` need.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Longest answer in bytes.
const LIMIT: u64 = 1 << 20;

/// A status code and a body.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Fetches `http://host[:port]/path`, reading until the peer closes.
///
/// # Errors
/// Errors of connecting, writing or reading, including timeouts; `InvalidInput` for an invalid
/// URL, `InvalidData` for an invalid answer.
pub fn get(url: &str, timeout: Duration) -> io::Result<Answer> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{url}: {what}"));
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| wrong("not an http:// URL"))?;
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = address
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| wrong("the host has no address"))?;

    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut raw = Vec::new();
    stream.take(LIMIT).read_to_end(&mut raw)?;
    parse(&raw).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}

/// Splits an answer into status and body.
fn parse(raw: &[u8]) -> Option<Answer> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(raw.get(..end)?).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = raw.get(end + 4..)?.to_vec();
    Some(Answer { status, body })
}

/// Reads a request's head; its path, or `None` if it is not a GET request.
pub fn request_path(stream: &mut TcpStream) -> Option<String> {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    let mut raw = Vec::new();
    let mut buffer = [0; 1024];
    while !raw.windows(4).any(|window| window == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).ok()?;
        if count == 0 || raw.len() > 16 << 10 {
            return None;
        }
        raw.extend_from_slice(buffer.get(..count)?);
    }
    let head = String::from_utf8(raw).ok()?;
    let mut words = head.split(' ');
    (words.next() == Some("GET")).then(|| words.next().map(str::to_owned))?
}

/// Sends a JSON answer with `Connection: close`.
///
/// In one write, so that an agent that is killed has sent a complete answer or none.
///
/// # Errors
/// Errors of writing.
pub fn answer(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_split_at_the_empty_line() {
        let answer = parse(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nno\r\n\r\n").unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (404, &b"no\r\n\r\n"[..])
        );
    }

    #[test]
    fn incomplete_head_is_rejected() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nA: b\r\n").is_none());
    }
}
