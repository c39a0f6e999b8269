//! The written rules equal those of the reference's iptables commands, except for the match of the
//! port, which older versions of iptables could not read.

use crate::namespace::{in_namespace, sh, try_sh};
use crate::oracle::{
    DOCKERD, DOCKERD_WITH_AGENT, REFERENCE, expressions, reference_undo, restore,
    ruleset_with_handles, saved, saved_in_new_namespace, with_match_tcp,
};
use crate::{DEFAULTS, apply};
use ecs_init::network;
use ecs_init::types::{Interface, Root};

in_namespace! {
    fn bare_host_has_the_same_text_and_expressions_as_the_reference() {
        apply();
        let (text, kernel) = saved_in_new_namespace(REFERENCE);
        assert_eq!(saved(), text);
        let (kernel, replaced) = with_match_tcp(&kernel);
        assert_eq!(replaced, 6, "is the system's iptables 1.8.9?");
        // The kernel lists tables and chains in the order of their creation, which differs. The
        // order of the rules in a chain was compared above.
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
    fn host_with_dockerd_has_the_same_text_and_expressions_as_the_reference() {
        restore(DOCKERD);
        apply();
        assert_eq!(sh("iptables-save | grep -v '^#' | sed 's/\\[[0-9:]*\\]/[0:0]/'"), DOCKERD_WITH_AGENT);
        let dockerd = format!("iptables-restore <<'END'\n{DOCKERD}END\n");
        let (text, kernel) = saved_in_new_namespace(&(dockerd + REFERENCE));
        assert_eq!(saved(), text);
        assert_eq!((expressions(), 6), with_match_tcp(&kernel));
    }
}

in_namespace! {
    fn render_equals_iptables_save() {
        apply();
        let rendered = network::render(&Root::default(), &DEFAULTS, Some(&Interface::docker0()));
        let rendered = rendered.expect("rules");
        let rules: Vec<_> = rendered.lines().filter(|line| !line.starts_with('#')).collect();
        let by_iptables = sh("(iptables-save; ip6tables-save) | grep -v '^[#:]'");
        assert_eq!(rules, by_iptables.lines().collect::<Vec<_>>());
    }
}

in_namespace! {
    fn second_apply_writes_nothing() {
        restore(DOCKERD);
        apply();
        let once = ruleset_with_handles();
        apply();
        assert_eq!(ruleset_with_handles(), once);
    }
}

in_namespace! {
    fn iptables_commands_work_on_the_same_chains() {
        apply();
        let written = saved();
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
        assert_eq!(saved(), written);
        // The commands of dockerd when it starts.
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
    fn iptables_finds_and_deletes_each_rule_by_the_references_arguments() {
        apply();
        let mut left = saved().matches("-A ").count();
        for command in REFERENCE.lines() {
            let with = |option| command.replacen(" -A ", option, 1).replacen(" -I ", option, 1);
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
    fn post_stop_of_the_reference_removes_the_rules() {
        apply();
        sh(&reference_undo());
        assert!(!saved().contains("-A "), "{}", saved());
        // A second time it finds no rule.
        assert!(try_sh(&reference_undo()).is_err());
    }
}
