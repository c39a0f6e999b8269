//! The route and the kernel settings.

use crate::namespace::{in_namespace, sh, sh_in_new_namespace};
use crate::{DEFAULTS, apply, undo};
use ecs_init::network;
use ecs_init::testing::TempDir;
use ecs_init::types::{Interface, Root};

const ROUTE: &str = "169.254.170.2 dev lo scope link \n";

fn routes() -> String {
    sh("ip -4 route show table main")
}

in_namespace! {
    fn route_is_added_without_a_default_route_and_removed() {
        assert_eq!(routes(), "");
        apply();
        assert_eq!(routes(), ROUTE);
        let by_ip = sh_in_new_namespace(
            "ip link set lo up; ip route add 169.254.170.2/32 dev lo scope link
            ip -4 route show table main",
        );
        assert_eq!(routes(), by_ip);
        apply();
        assert_eq!(routes(), ROUTE);
        undo();
        assert_eq!(routes(), "");
    }
}

/// Creates an interface with a neighbour on it.
fn uplink() {
    sh("ip link add up0 type veth peer name up1; ip link set up1 up
        ip addr add 192.0.2.2/24 dev up0; ip link set up0 up");
}

in_namespace! {
    fn route_is_not_added_with_a_default_route() {
        uplink();
        sh("ip route add default via 192.0.2.1");
        let before = routes();
        apply();
        assert_eq!(routes(), before);
        undo();
        assert_eq!(routes(), before);
    }
}

in_namespace! {
    fn only_a_usable_default_route_in_the_main_table_counts() {
        uplink();
        sh("ip route add default via 192.0.2.1 table 99; ip route add unreachable default metric 9
            ip route add 0.0.0.0/1 via 192.0.2.1");
        apply();
        assert!(routes().contains(ROUTE), "{}", routes());
    }
}

in_namespace! {
    fn route_is_removed_after_a_default_route_appeared() {
        apply();
        uplink();
        sh("ip route add default via 192.0.2.1");
        undo();
        assert!(!routes().contains("169.254.170.2"), "{}", routes());
        assert!(routes().contains("default"));
    }
}

in_namespace! {
    fn another_route_to_the_address_is_kept() {
        uplink();
        sh("ip route add 169.254.170.2/32 via 192.0.2.1 dev up0");
        let before = routes();
        apply();
        assert_eq!(routes(), before);
        undo();
        assert_eq!(routes(), before);
    }
}

fn sysctl(name: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{name}"))
        .expect(name)
        .trim()
        .to_owned()
}

in_namespace! {
    fn kernel_settings_are_set_and_reset() {
        sh("ip link add docker0 type veth peer name task0");
        assert_eq!(sysctl("ipv4/conf/all/route_localnet"), "0");
        assert_eq!(sysctl("ipv6/conf/docker0/accept_ra"), "1");
        apply();
        assert_eq!(sysctl("ipv4/conf/all/route_localnet"), "1");
        assert_eq!(sysctl("ipv4/conf/default/route_localnet"), "0");
        assert_eq!(sysctl("ipv6/conf/docker0/accept_ra"), "0");
        undo();
        assert_eq!(sysctl("ipv4/conf/all/route_localnet"), "0");
        sh("echo 1 > /proc/sys/net/ipv4/conf/default/route_localnet");
        apply();
        undo();
        assert_eq!(sysctl("ipv4/conf/all/route_localnet"), "1");
    }
}

in_namespace! {
    fn kernel_without_ipv6_gets_ipv4_rules_only() {
        // A root directory whose /proc/sys/net has only ipv4.
        let dir = TempDir::new("no-ipv6");
        let root = Root::new(dir.path());
        let net = root.at("/proc/sys/net");
        std::fs::create_dir_all(&net).unwrap();
        std::os::unix::fs::symlink("/proc/sys/net/ipv4", net.join("ipv4")).unwrap();
        let _ = network::apply(&root, &DEFAULTS, Some(&Interface::docker0())).unwrap();
        assert_eq!(sh("nft list tables"), "table ip filter\ntable ip nat\n");
        assert_eq!(network::undo(&root, &DEFAULTS).len(), 0);
        assert_eq!(sh("nft list tables"), "");
    }
}
