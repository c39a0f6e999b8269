//! Who sends packets to us.

use std::net::TcpStream;
use std::time::Duration;

use crate::namespace::{sh, try_sh};

/// How many seconds without an answer mean that there will be none.
const PATIENCE: u64 = 5;

/// Connects from this namespace.
pub fn connect(to: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(
        &to.parse().expect("an address"),
        Duration::from_secs(PATIENCE),
    )
}

/// A second namespace behind an interface of this one, as a task behind its bridge, for as long
/// as the process lives.
pub struct Neighbour(std::process::Child, Vec<std::process::Child>);

impl Neighbour {
    /// `here` is 10.9.8.1 and fd00:9::1, the neighbour 10.9.8.2 and fd00:9::2, with default routes
    /// by us.
    pub fn behind(here: &str) -> Neighbour {
        Neighbour::beyond(here, "10.9.8", "fd00:9:")
    }

    /// The same with other networks of 24 and of 64 bits.
    pub fn beyond(here: &str, net: &str, net6: &str) -> Neighbour {
        let child = std::process::Command::new("unshare")
            .args(["--net", "sleep", "7200"])
            .spawn()
            .expect("run unshare");
        let it = Neighbour(child, Vec::new());
        let pid = it.0.id();
        // unshare has made its namespace once it has become sleep.
        sh(&format!(
            "until [ \"$(cat /proc/{pid}/comm)\" = sleep ]; do :; done
             ip link add {here} type veth peer name eth0 netns {pid}
             ip addr add {net}.1/24 dev {here}; ip addr add {net6}:1/64 dev {here} nodad
             ip link set {here} up"
        ));
        it.run(&format!(
            "ip link set lo up; ip addr add {net}.2/24 dev eth0
             ip addr add {net6}:2/64 dev eth0 nodad; ip link set eth0 up
             ip route add default via {net}.1; ip route add default via {net6}:1"
        ))
        .expect("the neighbour's address");
        it
    }

    pub fn run(&self, script: &str) -> Result<String, String> {
        try_sh(&format!(
            "nsenter --net --target {} sh -ec '{script}'",
            self.0.id()
        ))
    }

    /// Starts a program there, for as long as the neighbour lives.
    pub fn serve(&mut self, python: &str) {
        let pid = self.0.id().to_string();
        let child = std::process::Command::new("nsenter")
            .args(["--net", "--target", &pid, "python3", "-c", python])
            .stdout(std::process::Stdio::piped())
            .spawn();
        let mut child = child.expect("run nsenter");
        // It says when it is ready.
        let mut ready = [0];
        std::io::Read::read_exact(child.stdout.as_mut().expect("its output"), &mut ready)
            .expect("a word");
        self.1.push(child);
    }

    /// Whether it can connect, sooner or later: a busy machine's interfaces take their time.
    pub fn gets_to(&self, address: &str, port: u16) -> bool {
        (0..12).any(|_| self.reaches(address, port))
    }

    /// Whether it can connect.
    pub fn reaches(&self, address: &str, port: u16) -> bool {
        let script =
            format!("import socket; socket.create_connection((\"{address}\", {port}), {PATIENCE})");
        self.run(&format!("python3 -c \"{}\"", script.replace('"', "\\\"")))
            .is_ok()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        for child in [&mut self.0].into_iter().chain(&mut self.1) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
