//! Other network namespaces, which send packets to the one under test.

use std::net::TcpStream;
use std::time::Duration;

use crate::namespace::{sh, try_sh};

/// After how many seconds without a reply a connection attempt has failed.
const TIMEOUT: u64 = 5;

/// Connects from this namespace.
pub fn connect(to: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(
        &to.parse().expect("an address"),
        Duration::from_secs(TIMEOUT),
    )
}

/// A second namespace behind an interface of this one, like a task behind its bridge.
pub struct Neighbour {
    /// Keeps the namespace alive.
    holder: std::process::Child,
    servers: Vec<std::process::Child>,
}

impl Neighbour {
    /// `here` is the interface on this side, with 10.9.8.1 and fd00:9::1. The neighbour has
    /// 10.9.8.2 and fd00:9::2 and default routes through this host.
    pub fn behind(here: &str) -> Neighbour {
        Neighbour::beyond(here, "10.9.8", "fd00:9:")
    }

    /// The same with another /24 and another /64.
    pub fn beyond(here: &str, net: &str, net6: &str) -> Neighbour {
        let holder = std::process::Command::new("unshare")
            .args(["--net", "sleep", "7200"])
            .spawn()
            .expect("run unshare");
        let pid = holder.id();
        let neighbour = Neighbour {
            holder,
            servers: Vec::new(),
        };
        // unshare has created the namespace when it executes sleep.
        sh(&format!(
            "until [ \"$(cat /proc/{pid}/comm)\" = sleep ]; do :; done
             ip link add {here} type veth peer name eth0 netns {pid}
             ip addr add {net}.1/24 dev {here}; ip addr add {net6}:1/64 dev {here} nodad
             ip link set {here} up"
        ));
        neighbour
            .run(&format!(
                "ip link set lo up; ip addr add {net}.2/24 dev eth0
             ip addr add {net6}:2/64 dev eth0 nodad; ip link set eth0 up
             ip route add default via {net}.1; ip route add default via {net6}:1"
            ))
            .expect("the neighbour's address");
        neighbour
    }

    /// Runs a script there.
    pub fn run(&self, script: &str) -> Result<String, String> {
        try_sh(&format!(
            "nsenter --net --target {} sh -ec '{script}'",
            self.holder.id()
        ))
    }

    /// Starts a Python program there and waits for its first byte of output.
    pub fn serve(&mut self, python: &str) {
        let pid = self.holder.id().to_string();
        let child = std::process::Command::new("nsenter")
            .args(["--net", "--target", &pid, "python3", "-c", python])
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut child = child.expect("run nsenter");
        let mut ready = [0];
        std::io::Read::read_exact(child.stdout.as_mut().expect("its output"), &mut ready)
            .expect("a byte");
        self.servers.push(child);
    }

    /// Whether a connection from there succeeds within some attempts: on a busy machine, interfaces
    /// take a while to come up.
    pub fn reaches_eventually(&self, address: &str, port: u16) -> bool {
        (0..12).any(|_| self.reaches(address, port))
    }

    /// Whether a connection from there succeeds.
    pub fn reaches(&self, address: &str, port: u16) -> bool {
        let script =
            format!("import socket; socket.create_connection((\"{address}\", {port}), {TIMEOUT})");
        self.run(&format!("python3 -c \"{}\"", script.replace('"', "\\\"")))
            .is_ok()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        for child in [&mut self.holder].into_iter().chain(&mut self.servers) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
