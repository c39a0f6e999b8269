//! Repeated apply, rules of amazon-ecs-init (the reference), and other programs that change rules
//! at the same time.

use std::cell::Cell;

use crate::namespace::{in_namespace, sh};
use crate::oracle::{DOCKERD, DOCKERD_WITH_AGENT, REFERENCE, restore, saved};
use crate::{DEFAULTS, apply, apply_for, desired_state, undo};
use ecs_init::config::NetworkConfig;
use ecs_init::error::Kind;
use ecs_init::network::nft::kernel;

fn saved_ip4() -> String {
    let all = saved();
    let end = all
        .find("*nat")
        .and_then(|nat| Some(nat + all[nat..].find("COMMIT\n")? + 7));
    all[..end.expect("a nat table")].to_owned()
}

in_namespace! {
    fn rules_in_wrong_order_are_reordered() {
        restore(DOCKERD);
        apply();
        sh("iptables -D INPUT -i docker0 -p tcp --dport 51678 -j ACCEPT
            iptables -A INPUT -i docker0 -p tcp --dport 51678 -j ACCEPT");
        assert_ne!(saved_ip4(), DOCKERD_WITH_AGENT);
        apply();
        assert_eq!(saved_ip4(), DOCKERD_WITH_AGENT);
    }
}

in_namespace! {
    fn missing_rule_is_restored_at_its_position() {
        restore(DOCKERD);
        apply();
        sh("iptables -D INPUT ! -i lo -p tcp --dport 51678 -j DROP");
        apply();
        assert_eq!(saved_ip4(), DOCKERD_WITH_AGENT);
    }
}

in_namespace! {
    fn duplicate_rules_of_the_reference_are_removed() {
        restore(DOCKERD);
        sh(REFERENCE);
        sh(REFERENCE);
        apply();
        assert_eq!(saved_ip4(), DOCKERD_WITH_AGENT);
        sh(REFERENCE);
        apply();
        assert_eq!(saved_ip4(), DOCKERD_WITH_AGENT);
    }
}

in_namespace! {
    fn rules_of_the_reference_are_adopted_unchanged() {
        restore(DOCKERD);
        sh(REFERENCE);
        apply();
        assert_eq!(saved_ip4(), DOCKERD_WITH_AGENT);
    }
}

in_namespace! {
    fn apply_with_thousands_of_rules() {
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
        // One per family.
        assert_eq!(after.matches("! -i lo -p tcp").count(), 2);
    }
}

in_namespace! {
    fn changed_switch_or_bridge_changes_only_rules_of_this_program() {
        sh("iptables -A INPUT -i docker0 -p tcp --dport 22 -j ACCEPT");
        apply();
        let config = NetworkConfig {
            skip_localhost_filter: true,
            ..DEFAULTS
        };
        apply_for(&config, Some("br-ecs"));
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
            ..DEFAULTS
        };
        apply_for(&config, None);
        assert_eq!(sh("iptables -S INPUT").lines().count(), 2);
        assert_eq!(sh("ip6tables -S INPUT").lines().count(), 1);
    }
}

in_namespace! {
    fn concurrent_iptables_commands_succeed() {
        let script = "for i in $(seq 150); do iptables -w -A FORWARD -j ACCEPT; iptables -w -D FORWARD -j ACCEPT; done";
        let other = std::process::Command::new("sh").args(["-ec", script]).spawn();
        let mut other = other.expect("run sh");
        loop {
            apply();
            undo();
            if other.try_wait().expect("wait").is_some() {
                break;
            }
        }
        assert!(other.wait().expect("wait").success());
        apply();
        assert_eq!(saved().matches("-A ").count(), 7);
    }
}

/// Changes the ruleset, and so its generation ID.
fn change_ruleset() {
    sh("iptables -A FORWARD -j ACCEPT; iptables -D FORWARD -j ACCEPT");
}

in_namespace! {
    fn change_between_read_and_batch_is_retried() {
        let reads = Cell::new(0);
        let update = kernel::update(|now| {
            reads.set(reads.get() + 1);
            if reads.get() < 4 {
                change_ruleset();
            }
            desired_state(&DEFAULTS).steps(now)
        });
        assert!(update.expect("written").steps > 0);
        assert_eq!(reads.get(), 4);
        assert_eq!(saved().matches("-A ").count(), 7);
    }
}

in_namespace! {
    fn repeated_changes_by_another_program_are_a_transient_error() {
        let error = kernel::update(|now| {
            change_ruleset();
            desired_state(&DEFAULTS).steps(now)
        });
        assert_eq!(error.expect_err("an error").kind(), Kind::Transient);
        assert!(!saved().contains("-A "));
    }
}
