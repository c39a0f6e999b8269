//! `ECS_INIT_BLOCK_IMDS`: tasks on the bridge and the instance's metadata.

use crate::namespace::{in_namespace, sh};
use crate::neighbour::Neighbour;
use crate::oracle::{DOCKERD, elsewhere, restore, saved};
use crate::{BLOCK_IMDS, DEFAULTS, apply, apply_with, undo};
use ecs_init::config::{Firewall, NetworkConfig};

/// In iptables' tables.
const IPTABLES: NetworkConfig = NetworkConfig {
    firewall: Some(Firewall::Iptables),
    ..BLOCK_IMDS
};

const SERVER: &str = "
import socket, time
for host, family in (('0.0.0.0', socket.AF_INET), ('::', socket.AF_INET6)):
    s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind((host, 80)); s.listen(99); globals()[host] = s
print('x', end='', flush=True)
time.sleep(7200)
";

/// The instance's metadata, on the far side of this host, which forwards.
fn metadata() -> Neighbour {
    let mut it = Neighbour::beyond("ens5", "10.1.1", "fd00:1:");
    it.run("ip addr add 169.254.169.254/32 dev lo; ip addr add fd00:ec2::254/128 dev lo")
        .unwrap();
    sh(
        "ip route add 169.254.169.254 via 10.1.1.2; ip route add fd00:ec2::254 via fd00:1::2
        echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
    );
    it.serve(SERVER);
    it
}

const IMDS: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

in_namespace! {
    fn tasks_on_the_bridge_do_not_reach_it_and_all_else_is_as_it_was() {
        let _metadata = metadata();
        let task = Neighbour::behind("docker0");
        restore(DOCKERD);
        apply();
        for address in IMDS {
            assert!(task.gets_to(address, 80), "{address}: off by default");
        }
        for config in [&IPTABLES, &BLOCK_IMDS] {
            apply_with(config);
            // What dockerd writes before all others when it starts, or makes a network.
            sh("iptables -I FORWARD -i docker0 ! -o docker0 -j ACCEPT
                iptables -I DOCKER-USER -j ACCEPT");
            for address in IMDS {
                assert!(!task.reaches(address, 80), "{address} {config:?}");
            }
            for address in ["10.1.1.2", "fd00:1::2"] {
                assert!(task.gets_to(address, 80), "{address} {config:?}");
            }
            sh("python3 -c \"import socket; socket.create_connection(('169.254.169.254', 80), 5)\"");
        }
        undo();
        for address in IMDS {
            assert!(task.gets_to(address, 80), "{address} after post-stop");
        }
    }
}

in_namespace! {
    fn others_than_the_bridges_tasks_still_reach_it() {
        let _metadata = metadata();
        let other = Neighbour::behind("br-other");
        for config in [&IPTABLES, &BLOCK_IMDS] {
            apply_with(config);
            for address in IMDS {
                assert!(other.gets_to(address, 80), "{address} {config:?}");
            }
        }
    }
}

in_namespace! {
    fn in_iptables_tables_it_is_written_as_iptables_writes_it_and_taken_out() {
        restore(DOCKERD);
        let before = saved();
        apply_with(&IPTABLES);
        let dockerd = format!("iptables-restore <<'END'\n{DOCKERD}END\n");
        let (text, _) = elsewhere(&format!(
            "{dockerd}{}
             iptables -t mangle -I FORWARD -i docker0 -d 169.254.169.254 -j DROP
             ip6tables -t mangle -I FORWARD -i docker0 -d fd00:ec2::254 -j DROP",
            crate::oracle::REFERENCE
        ));
        assert_eq!(saved(), text);
        sh("iptables -t mangle -C FORWARD -i docker0 -d 169.254.169.254 -j DROP
            ip6tables -t mangle -C FORWARD -i docker0 -d fd00:ec2::254/128 -j DROP");
        // Without the setting they go, by their mark.
        apply_with(&DEFAULTS);
        assert!(!saved().contains("169.254.169.254") && !saved().contains("fd00:ec2"));
        apply_with(&IPTABLES);
        undo();
        assert_eq!(saved(), before);
    }
}

in_namespace! {
    fn the_administrators_own_rule_stays_unless_the_setting_asks_for_it_too() {
        sh("iptables -t mangle -A FORWARD -i docker0 -d 169.254.169.254 -j DROP");
        apply();
        undo();
        assert_eq!(saved().matches("169.254.169.254").count(), 1);
        apply_with(&IPTABLES);
        assert_eq!(saved().matches("169.254.169.254").count(), 1);
    }
}
