//! One request and its answer over a Unix socket or TCP, to dockerd or any listener in the host.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

trait Stream: Read + Write {}
impl Stream for UnixStream {}
impl Stream for TcpStream {}

/// Sends `head`, then the file `body` if given, and reads until the peer closes.
///
/// `to` is `unix:PATH` or `ADDRESS:PORT`. `timeout` limits the connect and each read and write.
///
/// # Errors
/// Errors of connecting, sending or reading.
pub fn exchange(
    to: &str,
    head: &[u8],
    body: Option<&str>,
    timeout: Duration,
) -> io::Result<Vec<u8>> {
    let mut stream = connect(to, timeout)?;
    stream.write_all(head)?;
    if let Some(path) = body {
        io::copy(&mut File::open(path)?, &mut stream)?;
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // A peer that closes with unread input (dockerd stops at an archive's end mark) resets the
        // connection after its answer.
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset || answer.is_empty() => {
            Err(error)
        }
        _ => Ok(answer),
    }
}

fn connect(to: &str, timeout: Duration) -> io::Result<Box<dyn Stream>> {
    if let Some(path) = to.strip_prefix("unix:") {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        return Ok(Box::new(stream));
    }
    let address: SocketAddr = to.parse().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("not an address: {to}"))
    })?;
    let stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(Box::new(stream))
}
