//! A listener for sd_notify(3) messages, which writes them to a file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;

/// Binds a datagram socket, and writes each message, followed by an empty line, to a new file. Runs in
/// a thread until the host ends.
///
/// # Errors
/// Errors of creating the socket or the file.
pub fn listen(socket: &str, to: &str) -> io::Result<()> {
    let socket = UnixDatagram::bind(socket)?;
    let mut file = File::create(to)?;
    std::thread::spawn(move || {
        let mut message = [0; 4096];
        while let Ok(n) = socket.recv(&mut message) {
            let text = [&message[..n], b"\n\n"].concat();
            if file.write_all(&text).is_err() {
                break;
            }
        }
    });
    Ok(())
}
