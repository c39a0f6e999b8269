//! What the rules are for: packets.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::namespace::{in_namespace, sh, try_sh};
use crate::{apply, undo};

/// How many seconds without an answer mean that there will be none.
const PATIENCE: u64 = 5;

fn connect(to: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(
        &to.parse().expect("an address"),
        Duration::from_secs(PATIENCE),
    )
}

in_namespace! {
    fn a_process_of_the_host_gets_its_credentials_from_the_agent() {
        let agent = TcpListener::bind("127.0.0.1:51679").unwrap();
        assert!(connect("169.254.170.2:80").is_err());
        apply();
        let client = connect("169.254.170.2:80").unwrap();
        let (_, peer) = agent.accept().unwrap();
        assert_eq!(peer.port(), client.local_addr().unwrap().port());
        undo();
        assert!(connect("169.254.170.2:80").is_err());
    }
}

/// A second namespace behind an interface of this one, as a task behind its bridge, for as long
/// as the process lives.
struct Neighbour(std::process::Child);

impl Neighbour {
    /// `here` is 10.9.8.1, the neighbour 10.9.8.2 with a default route by us.
    fn behind(here: &str) -> Neighbour {
        let child = std::process::Command::new("unshare")
            .args(["--net", "sleep", "600"])
            .spawn()
            .expect("run unshare");
        let it = Neighbour(child);
        let pid = it.0.id();
        // unshare has made its namespace once it has become sleep.
        sh(&format!(
            "until [ \"$(cat /proc/{pid}/comm)\" = sleep ]; do :; done
             ip link add {here} type veth peer name eth0 netns {pid}
             ip addr add 10.9.8.1/24 dev {here}; ip link set {here} up"
        ));
        it.run(
            "ip link set lo up; ip addr add 10.9.8.2/24 dev eth0; ip link set eth0 up
             ip route add default via 10.9.8.1",
        )
        .expect("the neighbour's address");
        it
    }

    fn run(&self, script: &str) -> Result<String, String> {
        try_sh(&format!(
            "nsenter --net --target {} sh -ec '{script}'",
            self.0.id()
        ))
    }

    /// Whether it can connect.
    fn reaches(&self, address: &str, port: u16) -> bool {
        let script =
            format!("import socket; socket.create_connection((\"{address}\", {port}), {PATIENCE})");
        self.run(&format!("python3 -c \"{}\"", script.replace('"', "\\\"")))
            .is_ok()
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

in_namespace! {
    fn a_task_on_the_bridge_gets_its_credentials_and_may_ask_the_agent() {
        let _credentials = TcpListener::bind("127.0.0.1:51679").unwrap();
        let _introspection = TcpListener::bind("0.0.0.0:51678").unwrap();
        let _other = TcpListener::bind("0.0.0.0:7000").unwrap();
        let task = Neighbour::behind("docker0");
        assert!(!task.reaches("169.254.170.2", 80));
        apply();
        assert!(task.reaches("169.254.170.2", 80));
        assert!(task.reaches("10.9.8.1", 51678));
        assert!(task.reaches("10.9.8.1", 7000));
        undo();
        assert!(!task.reaches("169.254.170.2", 80));
    }
}

in_namespace! {
    fn from_outside_neither_the_agent_nor_loopback_is_to_be_had() {
        let _introspection = TcpListener::bind("0.0.0.0:51678").unwrap();
        let _local = TcpListener::bind("127.0.0.1:7001").unwrap();
        let _open = TcpListener::bind("0.0.0.0:7000").unwrap();
        let outside = Neighbour::behind("eth9");
        assert!(outside.reaches("10.9.8.1", 51678));
        apply();
        assert!(outside.reaches("10.9.8.1", 7000));
        assert!(!outside.reaches("10.9.8.1", 51678));
        assert!(connect("127.0.0.1:51678").is_ok());
        // Somebody on the same wire who sends packets for 127.0.0.1 to us.
        outside.run("ip route del local 127.0.0.0/8 table local dev lo || true
            ip addr flush dev lo; ip route flush table local root 127.0.0.0/8
            echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
            ip route add 127.0.0.1/32 via 10.9.8.1 dev eth0 src 10.9.8.2").unwrap();
        assert!(!outside.reaches("127.0.0.1", 7001));
        // It was this rule that kept them out.
        sh("iptables -D INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP");
        assert!(outside.reaches("127.0.0.1", 7001));
    }
}
