//! As much HTTP/1.1 as two programs of ours need to talk to each other.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Longest answer that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// A status code and the body that came with it.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Fetches `http://host[:port]/path`, reading until the peer closes.
///
/// # Errors
/// What connecting, writing or reading gave, a time-out included, and
/// `InvalidInput` or `InvalidData` for a URL or an answer that cannot be read.
pub fn get(url: &str, timeout: Duration) -> io::Result<Answer> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{url}: {what}"));
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| wrong("only http:// is spoken"))?;
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

/// Splits a whole answer into status and body.
fn parse(raw: &[u8]) -> Option<Answer> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(raw.get(..end)?).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = raw.get(end + 4..)?.to_vec();
    Some(Answer { status, body })
}

/// Reads a request's head and returns its path; `None` when it is not one.
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

/// Answers with JSON and says that the connection ends here.
///
/// In one write: a stand-in that is killed meanwhile has answered whole or not at all.
///
/// # Errors
/// What writing gave.
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
    fn an_answer_is_split_at_the_empty_line() {
        let answer = parse(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nno\r\n\r\n").unwrap();
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (404, &b"no\r\n\r\n"[..])
        );
    }

    #[test]
    fn half_an_answer_is_none() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nA: b\r\n").is_none());
    }
}
