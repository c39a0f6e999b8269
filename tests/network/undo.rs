//! post-stop restores what pre-start changed, and nothing else.

use crate::namespace::{in_namespace, sh};
use crate::oracle::{DOCKERD, REFERENCE, restore, ruleset_with_handles, saved};
use crate::{DEFAULTS, apply, apply_for, undo};

in_namespace! {
    fn undo_on_a_bare_host_leaves_nothing() {
        apply();
        assert_ne!(ruleset_with_handles(), "");
        undo();
        assert_eq!(ruleset_with_handles(), "");
        assert_eq!(saved(), "");
        // A second undo has no errors.
        undo();
    }
}

in_namespace! {
    fn undo_keeps_the_rules_of_dockerd_with_their_handles() {
        restore(DOCKERD);
        let before = (saved(), ruleset_with_handles());
        apply();
        apply();
        undo();
        assert_eq!((saved(), ruleset_with_handles()), before);
    }
}

in_namespace! {
    fn undo_keeps_similar_rules_of_others() {
        sh("iptables -A INPUT -p tcp --dport 22 -j ACCEPT
            iptables -A INPUT -p tcp --dport 51678 -j DROP
            iptables -A INPUT ! -i lo -p tcp --dport 51679 -j DROP
            iptables -A INPUT ! -i lo -p udp --dport 51678 -j DROP
            iptables -A INPUT -i docker+ -p tcp --dport 51678 -j ACCEPT
            iptables -A INPUT -i br-other -p tcp --dport 51678 -j ACCEPT
            iptables -A INPUT ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate NEW -j DROP
            iptables -A INPUT ! -i lo -p tcp --dport 51678 -m comment --comment mine -j DROP
            ip6tables -A INPUT ! -i lo -p tcp --sport 1 --dport 51678 -j DROP
            iptables -t nat -A PREROUTING -d 169.254.170.2/32 -p tcp --dport 81 -j DNAT --to-destination 127.0.0.1:51679
            iptables -t nat -A PREROUTING -d 169.254.170.2/32 -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1:51680
            iptables -t nat -A PREROUTING -d 169.254.170.2/32 -p tcp --dport 80 -j DNAT --to-destination 127.0.0.1
            iptables -t nat -A OUTPUT -d 169.254.170.0/24 -p tcp --dport 80 -j REDIRECT --to-ports 51679
            nft add rule ip filter INPUT tcp dport 51678 drop");
        let before = ruleset_with_handles();
        apply();
        assert_ne!(ruleset_with_handles(), before);
        undo();
        assert_eq!(ruleset_with_handles(), before);
    }
}

in_namespace! {
    fn undo_keeps_what_others_added_to_created_tables() {
        apply();
        sh("iptables -A INPUT -p tcp --dport 22 -j ACCEPT
            iptables -t nat -A POSTROUTING -j MASQUERADE
            ip6tables -P INPUT DROP");
        undo();
        assert_eq!(
            sh("iptables -S INPUT; iptables -t nat -S POSTROUTING; ip6tables -S INPUT"),
            "-P INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n\
             -P POSTROUTING ACCEPT\n-A POSTROUTING -j MASQUERADE\n\
             -P INPUT DROP\n"
        );
        // Chains of this program that are not in use are deleted.
        assert!(!ruleset_with_handles().contains("PREROUTING"));
    }
}

in_namespace! {
    fn undo_keeps_empty_tables_that_existed_before() {
        sh("iptables -L; iptables -t nat -L; ip6tables -L; iptables -P INPUT ACCEPT; iptables -t nat -P OUTPUT ACCEPT");
        sh("iptables -A INPUT -j ACCEPT; iptables -D INPUT -j ACCEPT");
        let before = (saved(), ruleset_with_handles());
        assert!(before.1.contains("INPUT"));
        apply();
        undo();
        assert_eq!((saved(), ruleset_with_handles()), before);
    }
}

in_namespace! {
    fn undo_finds_the_bridge_rule_of_any_bridge_name() {
        apply_for(&DEFAULTS, Some("br-ecs"));
        assert!(saved().contains("-i br-ecs"));
        undo();
        assert_eq!(ruleset_with_handles(), "");
    }
}

in_namespace! {
    fn undo_removes_rules_of_the_reference() {
        restore(DOCKERD);
        let before = saved();
        sh(REFERENCE);
        undo();
        let after = saved();
        // The empty ip6 chains remain: amazon-ecs-init creates them and does not delete them.
        assert_eq!(after.split("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT").next(), Some(&*before));
        assert!(!after.contains("51678"));
    }
}

in_namespace! {
    fn undo_works_after_iptables_save_and_restore() {
        restore(DOCKERD);
        let before = saved();
        apply();
        // iptables-restore writes the rules again without the mark.
        sh("iptables-save | iptables-restore");
        undo();
        assert_eq!(saved(), before);
    }
}
