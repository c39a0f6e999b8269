//! The dedicated tables, with `nft` as the oracle, and the change from one firewall to the other.

use crate::namespace::{in_namespace, sh};
use crate::oracle::{
    DOCKERD, REFERENCE, expressions, restore, ruleset_with_handles, saved, saved_in_new_namespace,
};
use crate::{DEFAULTS, NFTABLES, NFTABLES_BLOCK_IMDS, apply, apply_with, desired_state, undo};
use ecs_init::config::{Firewall, NetworkConfig};
use ecs_init::network;
use ecs_init::network::nft::kernel;
use ecs_init::types::{Interface, Root};

/// Expressions as nft prints them, without user data and empty lines.
fn without_userdata(expressions: &str) -> String {
    let lines = expressions.lines();
    let lines = lines.filter(|l| !l.starts_with("  userdata") && !l.is_empty());
    lines.flat_map(|l| [l, "\n"]).collect()
}

in_namespace! {
    fn nft_compiles_the_rendered_rules_to_the_same_expressions() {
        apply_with(&NFTABLES_BLOCK_IMDS);
        let docker0 = Interface::docker0();
        let rendered = network::render(&Root::default(), &NFTABLES_BLOCK_IMDS, Some(&docker0));
        let script = format!("nft -f - <<'END'\n{}END", rendered.expect("rules"));
        let (_, by_nft) = saved_in_new_namespace(&script);
        let written = without_userdata(&expressions());
        assert_eq!(written, without_userdata(&by_nft));
        assert_eq!(written.matches("\nip").count() + 1, 10, "{written}");
        // nft lists both in the same way.
        let listed = sh("nft list ruleset");
        sh(&script);
        assert_eq!(sh("nft list ruleset"), listed);
        // iptables does not see them.
        assert_eq!(saved(), "");
    }
}

in_namespace! {
    fn second_apply_writes_only_if_the_dedicated_tables_changed() {
        apply_with(&NFTABLES_BLOCK_IMDS);
        let (once, listed) = (ruleset_with_handles(), sh("nft list ruleset"));
        apply_with(&NFTABLES_BLOCK_IMDS);
        assert_eq!(ruleset_with_handles(), once);
        for altered in [
            "nft flush chain ip ecs-init input",
            "nft delete table ip6 ecs-init",
            "nft add rule ip ecs-init input tcp dport 51678 accept",
            "nft insert rule ip ecs-init input accept",
            "nft add chain ip ecs-init input '{ policy drop; }'",
            "nft add chain ip ecs-init other",
            "nft replace rule ip ecs-init output handle $(nft -a list chain ip ecs-init output | \
             sed -n 's/.*redirect.*handle //p') ip daddr 169.254.170.2 tcp dport 80 drop",
        ] {
            sh(altered);
            assert_ne!(sh("nft list ruleset"), listed, "{altered}");
            apply_with(&NFTABLES_BLOCK_IMDS);
            assert_eq!(sh("nft list ruleset"), listed, "{altered}");
        }
    }
}

in_namespace! {
    fn firewall_change_removes_the_previous_rules() {
        restore(DOCKERD);
        let before = (saved(), ruleset_with_handles());
        apply();
        let written = (saved(), sh("nft list ruleset"));
        apply_with(&NFTABLES);
        assert_eq!(saved(), before.0);
        assert!(sh("nft list tables").contains("table ip ecs-init\n"));
        apply();
        assert_eq!((saved(), sh("nft list ruleset")), written);
        assert!(!sh("nft list tables").contains("ecs-init"));
        // post-stop removes either.
        undo();
        assert_eq!((saved(), ruleset_with_handles()), before);
        apply_with(&NFTABLES_BLOCK_IMDS);
        undo();
        assert_eq!((saved(), ruleset_with_handles()), before);
    }
}

in_namespace! {
    fn dedicated_tables_replace_rules_of_the_reference() {
        sh(REFERENCE);
        sh(REFERENCE);
        apply_with(&NFTABLES);
        assert!(!saved().contains("-A "), "{}", saved());
    }
}

in_namespace! {
    fn auto_is_iptables_on_a_kernel_with_nft_compat() {
        apply();
        assert!(saved().contains("51678"));
        let iptables = NetworkConfig {
            firewall: Some(Firewall::Iptables),
            ..DEFAULTS
        };
        let once = ruleset_with_handles();
        apply_with(&iptables);
        assert_eq!(ruleset_with_handles(), once);
    }
}

in_namespace! {
    fn generation_after_an_update_is_predicted() {
        for config in [&NFTABLES, &DEFAULTS] {
            for _ in 0..2 {
                let update = kernel::update(|current| desired_state(config).steps(current)).unwrap();
                assert_eq!(update.generation(), kernel::read().unwrap().generation);
            }
        }
    }
}
