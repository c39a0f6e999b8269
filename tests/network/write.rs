//! What is written is what the reference's own iptables commands write; but for the match of the
//! port, which older versions of iptables could not read.

use crate::namespace::{in_namespace, sh, try_sh};
use crate::oracle::{
    DOCKERD, DOCKERD_AND_OURS, REFERENCE, elsewhere, expressions, numbered, reference_undo,
    restore, saved, with_match_tcp,
};
use crate::{DEFAULTS, apply};
use ecs_init::network::{self, Family};
use ecs_init::types::Interface;
use ecs_init::types::Root;

in_namespace! {
    fn on_a_bare_host_every_letter_is_as_the_references_and_every_expression_but_one() {
        apply();
        let (text, kernel) = elsewhere(REFERENCE);
        assert_eq!(saved(), text);
        let (kernel, replaced) = with_match_tcp(&kernel);
        assert_eq!(replaced, 6, "is the system's iptables 1.8.9?");
        // Tables and chains are listed in the order in which they were made, which is another;
        // that of the rules in a chain was compared above.
        let sorted = |all: &str| {
            let mut lines: Vec<_> = all.split_inclusive("\n\n").map(str::to_owned).collect();
            lines.sort();
            lines
        };
        let rules = |all: &str| sorted(all.split("table ").next().unwrap_or_default());
        assert_eq!(rules(&expressions()), rules(&kernel));
        let chains = |all: &str| {
            let mut lines: Vec<_> = all.lines().filter(|l| l.starts_with(['t', '\t'])).collect();
            lines.sort_unstable();
            lines.join("\n")
        };
        assert_eq!(chains(&expressions()), chains(&kernel));
        assert_eq!(rules(&kernel).len(), 7);
    }
}

in_namespace! {
    fn beside_dockerds_rules_the_whole_is_letter_for_letter_the_references() {
        restore(DOCKERD);
        apply();
        assert_eq!(sh("iptables-save | grep -v '^#' | sed 's/\\[[0-9:]*\\]/[0:0]/'"), DOCKERD_AND_OURS);
        let dockerd = format!("iptables-restore <<'END'\n{DOCKERD}END\n");
        let (text, kernel) = elsewhere(&(dockerd + REFERENCE));
        assert_eq!(saved(), text);
        assert_eq!((expressions(), 6), with_match_tcp(&kernel));
    }
}

in_namespace! {
    fn the_rules_verb_prints_what_iptables_save_prints() {
        apply();
        let rules = network::rules_for(&Root::default(), &DEFAULTS, Some(&Interface::docker0()));
        for (family, command) in [(Family::Ip4, "iptables-save"), (Family::Ip6, "ip6tables-save")] {
            let save = sh(&format!("{command} | grep -v '^[#:]'"));
            assert_eq!(rules.saved(family).to_string(), save);
        }
    }
}

in_namespace! {
    fn the_second_time_nothing_is_sent() {
        restore(DOCKERD);
        apply();
        let once = numbered();
        apply();
        assert_eq!(numbered(), once);
    }
}

in_namespace! {
    fn iptables_goes_on_working() {
        apply();
        let ours = saved();
        for (tables, chain, table) in [
            ("iptables", "INPUT", "filter"),
            ("iptables", "FORWARD", "filter"),
            ("iptables", "PREROUTING", "nat"),
            ("iptables", "POSTROUTING", "nat"),
            ("iptables", "OUTPUT", "nat"),
            ("ip6tables", "INPUT", "filter"),
        ] {
            let rule = format!("{tables} -t {table} -I {chain} -p tcp --dport 99 -m comment --comment x -j ACCEPT");
            sh(&rule);
            assert!(saved().contains("--dport 99"), "{}", saved());
            sh(&rule.replace(" -I ", " -C "));
            sh(&rule.replace(" -I ", " -D "));
        }
        assert_eq!(saved(), ours);
        // As dockerd does when it starts.
        sh("iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER");
        for command in ["iptables -L -n", "iptables -t nat -S", "ip6tables -S", "iptables -nvL INPUT --line-numbers"] {
            assert!(!sh(&format!("{command} 2>&1")).contains("incompatible"));
        }
        let before = saved();
        sh("iptables-save | iptables-restore; ip6tables-save | ip6tables-restore");
        assert_eq!(saved(), before);
        apply();
    }
}

in_namespace! {
    fn each_rule_alone_is_found_and_deleted_by_the_references_words() {
        apply();
        let mut left = saved().matches("-A ").count();
        for command in REFERENCE.lines() {
            let with = |verb| command.replacen(" -A ", verb, 1).replacen(" -I ", verb, 1);
            sh(&with(" -C "));
            sh(&with(" -D "));
            left -= 1;
            assert_eq!(saved().matches("-A ").count(), left, "{command}");
            assert!(try_sh(&with(" -C ")).is_err(), "{command}");
        }
        assert_eq!(left, 0);
    }
}

in_namespace! {
    fn the_references_own_clean_up_finds_our_rules() {
        apply();
        sh(&reference_undo());
        assert!(!saved().contains("-A "), "{}", saved());
        // And a second time there is nothing left for it.
        assert!(try_sh(&reference_undo()).is_err());
    }
}
