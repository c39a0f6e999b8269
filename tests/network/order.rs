//! Twice is once, in the right order; a copy too many goes.

use std::cell::Cell;

use crate::apply;
use crate::namespace::{in_namespace, sh};
use crate::oracle::{DOCKERD, DOCKERD_AND_OURS, REFERENCE, restore, saved};
use ecs_init::config::NetworkConfig;
use ecs_init::network;
use ecs_init::network::nft::{kernel, plan};
use ecs_init::types::Interface;
use ecs_init::types::Root;

fn saved_ip4() -> String {
    let all = saved();
    let end = all
        .find("*nat")
        .and_then(|nat| Some(nat + all[nat..].find("COMMIT\n")? + 7));
    all[..end.expect("a nat table")].to_owned()
}

in_namespace! {
    fn rules_in_the_wrong_order_are_put_right() {
        restore(DOCKERD);
        apply();
        sh("iptables -D INPUT -i docker0 -p tcp --dport 51678 -j ACCEPT
            iptables -A INPUT -i docker0 -p tcp --dport 51678 -j ACCEPT");
        assert_ne!(saved_ip4(), DOCKERD_AND_OURS);
        apply();
        assert_eq!(saved_ip4(), DOCKERD_AND_OURS);
    }
}

in_namespace! {
    fn a_missing_rule_comes_back_in_its_place() {
        restore(DOCKERD);
        apply();
        sh("iptables -D INPUT ! -i lo -p tcp --dport 51678 -j DROP");
        apply();
        assert_eq!(saved_ip4(), DOCKERD_AND_OURS);
    }
}

in_namespace! {
    fn the_references_copies_are_taken_out() {
        restore(DOCKERD);
        sh(REFERENCE);
        sh(REFERENCE);
        apply();
        assert_eq!(saved_ip4(), DOCKERD_AND_OURS);
        sh(REFERENCE);
        apply();
        assert_eq!(saved_ip4(), DOCKERD_AND_OURS);
    }
}

in_namespace! {
    fn the_references_rules_alone_become_ours_without_a_change_to_be_seen() {
        restore(DOCKERD);
        sh(REFERENCE);
        apply();
        assert_eq!(saved_ip4(), DOCKERD_AND_OURS);
    }
}

in_namespace! {
    fn thousands_of_rules_of_ours_and_of_others() {
        use std::fmt::Write;

        let mut rules = String::from("*filter\n");
        for n in 0..3000 {
            writeln!(rules, "-A INPUT -s 10.{}.{}.0/24 -j ACCEPT", n / 250, n % 250).unwrap();
            writeln!(rules, "-A INPUT ! -i lo -p tcp --dport 51678 -j DROP").unwrap();
        }
        rules += "COMMIT\n";
        restore(&rules);
        apply();
        let after = saved();
        assert_eq!(after.matches("-s 10.").count(), 3000);
        // One for each family.
        assert_eq!(after.matches("! -i lo -p tcp").count(), 2);
    }
}

in_namespace! {
    fn a_switch_and_another_bridge_change_our_rules_and_no_other() {
        sh("iptables -A INPUT -i docker0 -p tcp --dport 22 -j ACCEPT");
        apply();
        let config = NetworkConfig {
            skip_localhost_filter: true,
            ..crate::DEFAULTS
        };
        let _ = network::apply(&Root::default(), &config, Some(&Interface::new("br-ecs").unwrap())).unwrap();
        let rules = sh("iptables -S INPUT");
        assert_eq!(
            rules,
            "-P INPUT ACCEPT\n\
             -A INPUT -i br-ecs -p tcp -m tcp --dport 51678 -j ACCEPT\n\
             -A INPUT ! -i lo -p tcp -m tcp --dport 51678 -j DROP\n\
             -A INPUT -i docker0 -p tcp -m tcp --dport 22 -j ACCEPT\n"
        );
        let config = NetworkConfig {
            skip_localhost_filter: true,
            allow_offhost_introspection: true,
            ..crate::DEFAULTS
        };
        let _ = network::apply(&Root::default(), &config, None).unwrap();
        assert_eq!(sh("iptables -S INPUT").lines().count(), 2);
        assert_eq!(sh("ip6tables -S INPUT").lines().count(), 1);
    }
}

in_namespace! {
    fn somebody_who_changes_rules_at_the_same_time_disturbs_nothing() {
        let script = "for i in $(seq 150); do iptables -w -A FORWARD -j ACCEPT; iptables -w -D FORWARD -j ACCEPT; done";
        let other = std::process::Command::new("sh").args(["-ec", script]).spawn();
        let mut other = other.expect("run sh");
        loop {
            apply();
            crate::undo();
            if other.try_wait().expect("wait").is_some() {
                break;
            }
        }
        assert!(other.wait().expect("wait").success());
        apply();
        assert_eq!(saved().matches("-A ").count(), 7);
    }
}

/// Changes rules that are none of ours, and so makes a new generation.
fn interfere() {
    sh("iptables -A FORWARD -j ACCEPT; iptables -D FORWARD -j ACCEPT");
}

fn wanted() -> network::RuleSet {
    network::rules_for(
        &Root::default(),
        &crate::DEFAULTS,
        Some(&Interface::docker0()),
    )
}

in_namespace! {
    fn a_change_between_the_look_and_the_batch_leads_to_another_look() {
        let looks = Cell::new(0);
        let steps = kernel::change(|now| {
            looks.set(looks.get() + 1);
            if looks.get() < 4 {
                interfere();
            }
            plan::apply(now, &wanted())
        });
        assert!(steps.expect("written").steps > 0);
        assert_eq!(looks.get(), 4);
        assert_eq!(saved().matches("-A ").count(), 7);
    }
}

in_namespace! {
    fn somebody_who_never_stops_is_an_error_in_the_end() {
        let error = kernel::change(|now| {
            interfere();
            plan::apply(now, &wanted())
        });
        let error = error.expect_err("given up").to_string();
        assert!(error.contains("nft monitor"), "{error}");
        assert!(!saved().contains("-A "));
    }
}
