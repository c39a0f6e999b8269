//! The effect of the rules on packets.

use std::net::TcpListener;

use crate::namespace::{in_namespace, sh};
use crate::neighbour::{Neighbour, connect};
use crate::oracle::{DOCKERD, restore};
use crate::{DEFAULTS, NFTABLES, apply, apply_with, undo};

in_namespace! {
    fn host_process_gets_credentials_from_the_agent() {
        let agent = TcpListener::bind("127.0.0.1:51679").unwrap();
        for config in [&DEFAULTS, &NFTABLES] {
            assert!(connect("169.254.170.2:80").is_err());
            apply_with(config);
            let client = connect("169.254.170.2:80").unwrap();
            let (_, peer) = agent.accept().unwrap();
            assert_eq!(peer.port(), client.local_addr().unwrap().port());
            undo();
        }
        assert!(connect("169.254.170.2:80").is_err());
    }
}

in_namespace! {
    fn task_on_the_bridge_reaches_credentials_and_introspection() {
        let _credentials = TcpListener::bind("127.0.0.1:51679").unwrap();
        let _introspection = TcpListener::bind("0.0.0.0:51678").unwrap();
        let _other = TcpListener::bind("0.0.0.0:7000").unwrap();
        let task = Neighbour::behind("docker0");
        // With dockerd's chains, which come first.
        restore(DOCKERD);
        for config in [&DEFAULTS, &NFTABLES] {
            assert!(!task.reaches("169.254.170.2", 80));
            apply_with(config);
            assert!(task.reaches_eventually("169.254.170.2", 80));
            assert!(task.reaches_eventually("10.9.8.1", 51678));
            assert!(task.reaches_eventually("10.9.8.1", 7000));
            undo();
        }
        assert!(!task.reaches("169.254.170.2", 80));
    }
}

in_namespace! {
    fn other_hosts_reach_neither_introspection_nor_loopback() {
        let _introspection = TcpListener::bind("0.0.0.0:51678").unwrap();
        let _local = TcpListener::bind("127.0.0.1:7001").unwrap();
        let _open = TcpListener::bind("0.0.0.0:7000").unwrap();
        let outside = Neighbour::behind("eth9");
        assert!(outside.reaches_eventually("10.9.8.1", 51678));
        apply();
        assert!(outside.reaches_eventually("10.9.8.1", 7000));
        assert!(!outside.reaches("10.9.8.1", 51678));
        assert!(connect("127.0.0.1:51678").is_ok());
        // A host on the same link that sends packets for 127.0.0.1 to this one.
        outside.run("ip route del local 127.0.0.0/8 table local dev lo || true
            ip addr flush dev lo; ip route flush table local root 127.0.0.0/8
            echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
            ip route add 127.0.0.1/32 via 10.9.8.1 dev eth0 src 10.9.8.2").unwrap();
        assert!(!outside.reaches("127.0.0.1", 7001));
        // The dedicated tables block it too, even without connection tracking.
        apply_with(&NFTABLES);
        assert!(outside.reaches_eventually("10.9.8.1", 7000));
        assert!(!outside.reaches("10.9.8.1", 51678));
        assert!(!outside.reaches("127.0.0.1", 7001));
        sh("nft add table ip raw; nft add chain ip raw pre '{ type filter hook prerouting priority -300; }'
            nft add rule ip raw pre iifname eth9 notrack");
        assert!(!outside.reaches("127.0.0.1", 7001));
        sh("nft delete rule ip ecs-init input handle $(nft -a list chain ip ecs-init input |
                sed -n 's/.*untracked.*handle //p')");
        assert!(outside.reaches_eventually("127.0.0.1", 7001));
        sh("nft delete table ip raw");
        apply();
        assert!(!outside.reaches("127.0.0.1", 7001));
        // Without this rule it succeeds.
        sh("iptables -D INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP");
        assert!(outside.reaches_eventually("127.0.0.1", 7001));
    }
}
