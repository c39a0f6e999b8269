//! Hosts whose INPUT drops or rejects what no rule accepts, as on hardened images.

use std::net::TcpListener;

use crate::namespace::{in_namespace, sh};
use crate::neighbour::Neighbour;
use crate::oracle::{REFERENCE, ruleset_with_handles, saved, saved_in_new_namespace};
use crate::{DEFAULTS, NFTABLES, apply, apply_with, desired_state, undo};
use ecs_init::config::NetworkConfig;
use ecs_init::network::nft::kernel;

/// The additional rule, as iptables prints it.
const ACCEPT: &str =
    "-A INPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 51679 -m conntrack --ctstate DNAT -j ACCEPT\n";

/// Ways to close INPUT: by its policy, by a last REJECT and by a last DROP.
const CLOSED: [&str; 3] = [
    "iptables -A INPUT -i lo -j ACCEPT; iptables -P INPUT DROP",
    "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited",
    "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -j DROP",
];

in_namespace! {
    fn closed_input_gets_an_accept_rule_and_open_input_does_not() {
        apply();
        assert!(!saved().contains(ACCEPT));
        undo();
        for closed in CLOSED {
            sh(closed);
            let before = (saved(), ruleset_with_handles());
            apply();
            // After the other rules of this program, before the host's.
            let rules = sh("iptables -S INPUT | grep -v ^-P");
            let first: Vec<_> = rules.split_inclusive('\n').take(4).collect();
            assert_eq!(first[3], ACCEPT, "{rules}");
            assert!(first[2].contains("RELATED,ESTABLISHED,DNAT -j DROP"), "{rules}");
            let once = ruleset_with_handles();
            apply();
            assert_eq!(ruleset_with_handles(), once);
            // iptables finds it.
            sh(&format!("iptables {}", ACCEPT.replace("-A ", "-C ")));
            undo();
            assert_eq!((saved(), ruleset_with_handles()), before, "{closed}");
            sh("nft flush ruleset");
        }
    }
}

in_namespace! {
    fn accept_rule_equals_the_one_iptables_writes() {
        sh("iptables -P INPUT DROP");
        apply();
        let (text, _) = saved_in_new_namespace(&format!(
            "iptables -P INPUT DROP\n{}",
            REFERENCE.replacen(
                "iptables -t filter -I INPUT --dst",
                &format!("iptables {}iptables -t filter -I INPUT --dst", ACCEPT.replace("-A ", "-I ")),
                1,
            )
        ));
        assert_eq!(saved(), text);
    }
}

in_namespace! {
    fn accept_rule_is_removed_when_input_opens() {
        sh("iptables -P INPUT DROP");
        apply();
        assert!(saved().contains(ACCEPT));
        sh("iptables -P INPUT ACCEPT");
        apply();
        assert!(!saved().contains(ACCEPT));
        // post-stop removes a copy without the mark.
        sh("iptables -P INPUT DROP");
        apply();
        sh("iptables-save | iptables-restore");
        undo();
        assert!(!saved().contains("51679"), "{}", saved());
    }
}

in_namespace! {
    fn task_gets_credentials_through_closed_input_but_not_the_port_directly() {
        let _credentials = TcpListener::bind("0.0.0.0:51679").unwrap();
        let task = Neighbour::behind("docker0");
        for closed in CLOSED {
            sh(closed);
            assert!(!task.reaches("10.9.8.1", 51679), "{closed}");
            apply();
            assert!(task.reaches_eventually("169.254.170.2", 80), "{closed}");
            assert!(!task.reaches("10.9.8.1", 51679), "{closed}");
            // Without the accept rule, the request is dropped.
            sh(&format!("iptables {}", ACCEPT.replace("-A ", "-D ")));
            assert!(!task.reaches("169.254.170.2", 80), "{closed}");
            undo();
            sh("nft flush ruleset");
        }
    }
}

fn blocking_chains(config: &NetworkConfig) -> Vec<String> {
    let now = kernel::read().unwrap();
    let desired = desired_state(config);
    let chains = desired.blocking_chains(&now).into_iter();
    chains.map(str::to_owned).collect()
}

in_namespace! {
    fn base_chains_that_drop_credentials_are_reported() {
        let _credentials = TcpListener::bind("127.0.0.1:51679").unwrap();
        let task = Neighbour::behind("docker0");
        sh("nft add table inet filter
            nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }'
            nft add chain inet filter other '{ type filter hook forward priority 0; policy drop; }'");
        for config in [&DEFAULTS, &NFTABLES] {
            apply_with(config);
            assert!(!task.reaches("169.254.170.2", 80));
            assert_eq!(blocking_chains(config), ["inet filter input"]);
        }
        // With the rule that the warning names, it works.
        sh("nft add rule inet filter input ct status dnat accept
            nft add rule inet filter input ct state established accept");
        assert!(task.reaches_eventually("169.254.170.2", 80));
        sh("nft delete table inet filter; iptables -P INPUT DROP; ip6tables -P INPUT DROP");
        assert_eq!(blocking_chains(&DEFAULTS), [""; 0]);
        assert_eq!(blocking_chains(&NFTABLES), ["ip filter INPUT"]);
    }
}
