//! `ECS_INIT_BLOCK_IMDS`: tasks on the bridge cannot reach the instance metadata service.

use crate::namespace::{in_namespace, sh};
use crate::neighbour::Neighbour;
use crate::oracle::{DOCKERD, REFERENCE, restore, saved, saved_in_new_namespace};
use crate::{DEFAULTS, NFTABLES_BLOCK_IMDS, apply, apply_with, undo};
use ecs_init::config::{Firewall, NetworkConfig};

/// The rules in iptables' tables.
const IPTABLES_BLOCK_IMDS: NetworkConfig = NetworkConfig {
    firewall: Some(Firewall::Iptables),
    ..NFTABLES_BLOCK_IMDS
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

/// The metadata service, in a namespace to which this one forwards.
fn metadata() -> Neighbour {
    let mut server = Neighbour::beyond("ens5", "10.1.1", "fd00:1:");
    server
        .run("ip addr add 169.254.169.254/32 dev lo; ip addr add fd00:ec2::254/128 dev lo")
        .unwrap();
    sh(
        "ip route add 169.254.169.254 via 10.1.1.2; ip route add fd00:ec2::254 via fd00:1::2
        echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
    );
    server.serve(SERVER);
    server
}

const IMDS: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

in_namespace! {
    fn imds_is_blocked_for_tasks_on_the_bridge_and_nothing_else() {
        let _metadata = metadata();
        let task = Neighbour::behind("docker0");
        restore(DOCKERD);
        apply();
        for address in IMDS {
            assert!(task.reaches_eventually(address, 80), "{address}: off by default");
        }
        for config in [&IPTABLES_BLOCK_IMDS, &NFTABLES_BLOCK_IMDS] {
            apply_with(config);
            // dockerd inserts these before all other rules when it starts or creates a network.
            sh("iptables -I FORWARD -i docker0 ! -o docker0 -j ACCEPT
                iptables -I DOCKER-USER -j ACCEPT");
            for address in IMDS {
                assert!(!task.reaches(address, 80), "{address} {config:?}");
            }
            for address in ["10.1.1.2", "fd00:1::2"] {
                assert!(task.reaches_eventually(address, 80), "{address} {config:?}");
            }
            sh("python3 -c \"import socket; socket.create_connection(('169.254.169.254', 80), 5)\"");
        }
        undo();
        for address in IMDS {
            assert!(task.reaches_eventually(address, 80), "{address} after post-stop");
        }
    }
}

in_namespace! {
    fn imds_is_not_blocked_for_other_bridges() {
        let _metadata = metadata();
        let other = Neighbour::behind("br-other");
        for config in [&IPTABLES_BLOCK_IMDS, &NFTABLES_BLOCK_IMDS] {
            apply_with(config);
            for address in IMDS {
                assert!(other.reaches_eventually(address, 80), "{address} {config:?}");
            }
        }
    }
}

in_namespace! {
    fn imds_rules_equal_those_iptables_writes_and_are_removed() {
        restore(DOCKERD);
        let before = saved();
        apply_with(&IPTABLES_BLOCK_IMDS);
        let dockerd = format!("iptables-restore <<'END'\n{DOCKERD}END\n");
        let (text, _) = saved_in_new_namespace(&format!(
            "{dockerd}{REFERENCE}
             iptables -t mangle -I FORWARD -i docker0 -d 169.254.169.254 -j DROP
             ip6tables -t mangle -I FORWARD -i docker0 -d fd00:ec2::254 -j DROP"
        ));
        assert_eq!(saved(), text);
        sh("iptables -t mangle -C FORWARD -i docker0 -d 169.254.169.254 -j DROP
            ip6tables -t mangle -C FORWARD -i docker0 -d fd00:ec2::254/128 -j DROP");
        // Without the setting, rules with the mark are removed.
        apply_with(&DEFAULTS);
        assert!(!saved().contains("169.254.169.254") && !saved().contains("fd00:ec2"));
        apply_with(&IPTABLES_BLOCK_IMDS);
        undo();
        assert_eq!(saved(), before);
    }
}

in_namespace! {
    fn rule_of_the_administrator_is_kept_unless_the_setting_is_on() {
        sh("iptables -t mangle -A FORWARD -i docker0 -d 169.254.169.254 -j DROP");
        apply();
        undo();
        assert_eq!(saved().matches("169.254.169.254").count(), 1);
        apply_with(&IPTABLES_BLOCK_IMDS);
        assert_eq!(saved().matches("169.254.169.254").count(), 1);
    }
}
