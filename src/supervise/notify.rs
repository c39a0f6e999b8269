//! Status messages to systemd (`sd_notify(3)`): datagrams of `KEY=VALUE` lines to the socket
//! `NOTIFY_SOCKET`. Failures are logged at debug level and otherwise ignored.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The longest time that a full socket may delay the agent.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The receiver of the messages, if there is one.
#[derive(Debug, Default)]
pub struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// A receiver at this address: an absolute path, or `@` and an abstract name.
    pub fn new(address: Option<&str>) -> Self {
        Notify(address.and_then(|address| {
            connect(address)
                .inspect_err(|e| log::debug!("NOTIFY_SOCKET {address}: {e}"))
                .ok()
        }))
    }

    /// The agent's container runs.
    pub fn ready(&self) {
        self.send("READY=1\nSTATUS=the agent is running");
    }

    /// A status line for `systemctl status`.
    pub fn status(&self, status: &str) {
        self.send(&format!("STATUS={status}"));
    }

    /// The agent is being stopped.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping the agent");
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.0
            && let Err(e) = socket.send_to_addr(message.as_bytes(), address)
        {
            log::debug!("NOTIFY_SOCKET: {e}");
        }
    }
}

fn connect(address: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None if address.starts_with('/') => SocketAddr::from_pathname(address)?,
        None => return Err(io::Error::other("neither a path nor an abstract name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn receive(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let n = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    }

    #[test]
    fn messages_reach_path_and_abstract_socket() {
        let dir = TempDir::new("notify");
        let path = dir.path().join("socket");
        let name = format!("ecs-init-notify-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        for (socket, address) in [
            (UnixDatagram::bind(&path), path.display().to_string()),
            (UnixDatagram::bind_addr(&abstract_name), format!("@{name}")),
        ] {
            let socket = socket.unwrap();
            let notify = Notify::new(Some(&address));
            notify.ready();
            notify.status("waiting");
            notify.stopping();
            assert_eq!(receive(&socket), "READY=1\nSTATUS=the agent is running");
            assert_eq!(receive(&socket), "STATUS=waiting");
            assert!(receive(&socket).starts_with("STOPPING=1\n"));
        }
    }

    #[test]
    fn missing_receiver_is_ignored() {
        for address in [
            None,
            Some(""),
            Some("vsock:2:1"),
            Some("/nonexistent/socket"),
        ] {
            let notify = Notify::new(address);
            notify.ready();
            notify.stopping();
        }
    }
}
