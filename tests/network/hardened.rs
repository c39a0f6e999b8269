//! A host whose INPUT refuses what nothing accepts, as hardened images have it.

use std::net::TcpListener;

use crate::namespace::{in_namespace, sh};
use crate::neighbour::Neighbour;
use crate::oracle::{elsewhere, numbered, saved};
use crate::{DEFAULTS, NFTABLES, apply, apply_with, undo};
use ecs_init::network::{self, nft::kernel};
use ecs_init::types::Interface;
use ecs_init::types::Root;

/// The rule, as iptables prints it.
const ACCEPT: &str =
    "-A INPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 51679 -m conntrack --ctstate DNAT -j ACCEPT\n";

/// INPUT by policy, and by a last rule.
const CLOSED: [&str; 3] = [
    "iptables -A INPUT -i lo -j ACCEPT; iptables -P INPUT DROP",
    "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited",
    "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -j DROP",
];

in_namespace! {
    fn a_closed_input_gets_the_one_rule_more_and_an_open_one_does_not() {
        apply();
        assert!(!saved().contains(ACCEPT));
        undo();
        for closed in CLOSED {
            sh(closed);
            let before = (saved(), numbered());
            apply();
            // Behind our other rules, before the host's.
            let rules = sh("iptables -S INPUT | grep -v ^-P");
            let ours: Vec<_> = rules.split_inclusive('\n').take(4).collect();
            assert_eq!(ours[3], ACCEPT, "{rules}");
            assert!(ours[2].contains("RELATED,ESTABLISHED,DNAT -j DROP"), "{rules}");
            let once = numbered();
            apply();
            assert_eq!(numbered(), once);
            // Found by its words; as iptables itself would write it.
            sh(&format!("iptables {}", ACCEPT.replace("-A ", "-C ")));
            undo();
            assert_eq!((saved(), numbered()), before, "{closed}");
            sh("nft flush ruleset");
        }
    }
}

in_namespace! {
    fn it_is_written_as_iptables_writes_it() {
        sh("iptables -P INPUT DROP");
        apply();
        let (text, _) = elsewhere(&format!(
            "iptables -P INPUT DROP\n{}",
            crate::oracle::REFERENCE.replacen(
                "iptables -t filter -I INPUT --dst",
                &format!("iptables {}iptables -t filter -I INPUT --dst", ACCEPT.replace("-A ", "-I ")),
                1,
            )
        ));
        assert_eq!(saved(), text);
    }
}

in_namespace! {
    fn when_the_policy_opens_the_rule_goes() {
        sh("iptables -P INPUT DROP");
        apply();
        assert!(saved().contains(ACCEPT));
        sh("iptables -P INPUT ACCEPT");
        apply();
        assert!(!saved().contains(ACCEPT));
        // A copy without the mark goes with post-stop.
        sh("iptables -P INPUT DROP");
        apply();
        sh("iptables-save | iptables-restore");
        undo();
        assert!(!saved().contains("51679"), "{}", saved());
    }
}

in_namespace! {
    fn a_task_reaches_the_agent_through_a_closed_input_and_nobody_its_port_directly() {
        let _credentials = TcpListener::bind("0.0.0.0:51679").unwrap();
        let task = Neighbour::behind("docker0");
        for closed in CLOSED {
            sh(closed);
            assert!(!task.reaches("10.9.8.1", 51679), "{closed}");
            apply();
            assert!(task.gets_to("169.254.170.2", 80), "{closed}");
            assert!(!task.reaches("10.9.8.1", 51679), "{closed}");
            // It is this rule that lets them in.
            sh(&format!("iptables {}", ACCEPT.replace("-A ", "-D ")));
            assert!(!task.reaches("169.254.170.2", 80), "{closed}");
            undo();
            sh("nft flush ruleset");
        }
    }
}

/// What is said to be in the way of `config`'s rules.
fn in_the_way(config: &ecs_init::config::NetworkConfig) -> Vec<String> {
    use ecs_init::config::Firewall;
    use network::firewall::Wanted;
    let wanted = Wanted {
        variant: config.firewall.unwrap_or(Firewall::Iptables),
        rules: network::rules_for(&Root::default(), config, Some(&Interface::docker0())),
        config: config.clone(),
    };
    let now = kernel::read().unwrap();
    let chains = wanted.in_the_way(&now);
    chains.into_iter().map(str::to_owned).collect()
}

in_namespace! {
    fn what_another_base_chain_drops_we_cannot_accept_and_name() {
        let _credentials = TcpListener::bind("127.0.0.1:51679").unwrap();
        let task = Neighbour::behind("docker0");
        sh("nft add table inet filter
            nft add chain inet filter input '{ type filter hook input priority 0; policy drop; }'
            nft add chain inet filter other '{ type filter hook forward priority 0; policy drop; }'");
        for config in [&DEFAULTS, &NFTABLES] {
            apply_with(config);
            assert!(!task.reaches("169.254.170.2", 80));
            assert_eq!(in_the_way(config), ["inet filter input"]);
        }
        // With the rule that we name it works.
        sh("nft add rule inet filter input ct status dnat accept
            nft add rule inet filter input ct state established accept");
        assert!(task.gets_to("169.254.170.2", 80));
        sh("nft delete table inet filter; iptables -P INPUT DROP; ip6tables -P INPUT DROP");
        assert_eq!(in_the_way(&DEFAULTS), [""; 0]);
        assert_eq!(in_the_way(&NFTABLES), ["ip filter INPUT"]);
    }
}
