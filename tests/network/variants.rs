//! The variant nftables: tables of our own, with `nft` as the judge; and from one variant to the
//! other.

use crate::namespace::{in_namespace, sh};
use crate::oracle::{DOCKERD, REFERENCE, elsewhere, expressions, numbered, restore, saved};
use crate::{BLOCK_IMDS, NFTABLES, apply, apply_with, undo};
use ecs_init::config::{Firewall, NetworkConfig};
use ecs_init::network;
use ecs_init::network::nft::kernel;
use ecs_init::types::Interface;
use ecs_init::types::Root;

/// The words of all rules that there can be.
fn words() -> String {
    let docker0 = Interface::docker0();
    network::in_words(&Root::default(), &BLOCK_IMDS, Some(&docker0)).expect("words")
}

/// What nft prints of expressions, but for our marks: those are bytes in braces.
fn bare(expressions: &str) -> String {
    let lines = expressions.lines();
    let lines = lines.filter(|l| !l.starts_with("  userdata") && !l.is_empty());
    lines.flat_map(|l| [l, "\n"]).collect()
}

in_namespace! {
    fn nft_makes_of_our_words_the_expressions_that_we_write() {
        apply_with(&BLOCK_IMDS);
        let script = format!("nft -f - <<'END'\n{}END", words());
        let (_, by_nft) = elsewhere(&script);
        let ours = bare(&expressions());
        assert_eq!(ours, bare(&by_nft));
        assert_eq!(ours.matches("\nip").count() + 1, 10, "{ours}");
        // And what nft prints of either is the same to the letter.
        let listed = sh("nft list ruleset");
        sh(&script);
        assert_eq!(sh("nft list ruleset"), listed);
        // iptables has nothing to do with it.
        assert_eq!(saved(), "");
    }
}

in_namespace! {
    fn the_second_time_nothing_is_sent_and_what_was_altered_is_put_right() {
        apply_with(&BLOCK_IMDS);
        let (once, listed) = (numbered(), sh("nft list ruleset"));
        apply_with(&BLOCK_IMDS);
        assert_eq!(numbered(), once);
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
            apply_with(&BLOCK_IMDS);
            assert_eq!(sh("nft list ruleset"), listed, "{altered}");
        }
    }
}

in_namespace! {
    fn from_one_variant_to_the_other_nothing_stays_behind() {
        restore(DOCKERD);
        let before = (saved(), numbered());
        apply();
        let ours = (saved(), sh("nft list ruleset"));
        apply_with(&NFTABLES);
        assert_eq!(saved(), before.0);
        assert!(sh("nft list tables").contains("table ip ecs-init\n"));
        apply();
        assert_eq!((saved(), sh("nft list ruleset")), ours);
        assert!(!sh("nft list tables").contains("ecs-init"));
        // What was chosen does not matter to post-stop.
        undo();
        assert_eq!((saved(), numbered()), before);
        apply_with(&BLOCK_IMDS);
        undo();
        assert_eq!((saved(), numbered()), before);
    }
}

in_namespace! {
    fn the_references_rules_go_when_ours_come_in_a_table_of_their_own() {
        sh(REFERENCE);
        sh(REFERENCE);
        apply_with(&NFTABLES);
        assert!(!saved().contains("-A "), "{}", saved());
    }
}

in_namespace! {
    fn auto_is_iptables_where_the_kernel_has_nft_compat() {
        apply();
        assert!(saved().contains("51678"));
        let iptables = NetworkConfig {
            firewall: Some(Firewall::Iptables),
            ..NetworkConfig::DEFAULT
        };
        let once = numbered();
        apply_with(&iptables);
        assert_eq!(numbered(), once);
    }
}

in_namespace! {
    fn the_generation_after_a_change_is_the_one_that_is_foretold() {
        for config in [&NFTABLES, &NetworkConfig::DEFAULT] {
            let docker0 = Interface::docker0();
            let rules = network::rules_for(&Root::default(), config, Some(&docker0));
            for _ in 0..2 {
                let changed = kernel::change(|now| kernel_steps(now, config, &rules)).unwrap();
                assert_eq!(changed.generation(), kernel::read().unwrap().generation);
            }
        }
    }
}

fn kernel_steps(
    now: &network::nft::snapshot::Snapshot,
    config: &NetworkConfig,
    rules: &network::RuleSet,
) -> ecs_init::error::Result<Vec<network::nft::plan::Step>> {
    use network::firewall::Wanted;
    let wanted = Wanted {
        variant: config.firewall.unwrap_or(Firewall::Iptables),
        rules: rules.clone(),
        config: config.clone(),
    };
    wanted.steps(now)
}
