//! post-stop leaves what pre-start found.

use crate::namespace::{in_namespace, sh};
use crate::oracle::{DOCKERD, REFERENCE, numbered, restore, saved};
use crate::{apply, undo};
use ecs_init::network;
use ecs_init::types::Interface;
use ecs_init::types::Root;

in_namespace! {
    fn of_a_bare_host_nothing_is_left() {
        apply();
        assert_ne!(numbered(), "");
        undo();
        assert_eq!(numbered(), "");
        assert_eq!(saved(), "");
        // Nor does a second time find anything to complain of.
        undo();
    }
}

in_namespace! {
    fn beside_dockerds_rules_not_a_byte_is_changed() {
        restore(DOCKERD);
        let before = (saved(), numbered());
        apply();
        apply();
        undo();
        // What was there has kept even its numbers in the kernel. Only chains that we made, and
        // that dockerd's rules do not use, have come and gone.
        assert_eq!((saved(), numbered()), before);
    }
}

in_namespace! {
    fn other_peoples_rules_in_our_chains_stay() {
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
        let before = numbered();
        apply();
        assert_ne!(numbered(), before);
        undo();
        assert_eq!(numbered(), before);
    }
}

in_namespace! {
    fn what_others_put_into_our_tables_stays() {
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
        // Those chains of ours that nobody uses are gone.
        assert!(!numbered().contains("PREROUTING"));
    }
}

in_namespace! {
    fn tables_that_were_there_and_empty_stay() {
        sh("iptables -L; iptables -t nat -L; ip6tables -L; iptables -P INPUT ACCEPT; iptables -t nat -P OUTPUT ACCEPT");
        sh("iptables -A INPUT -j ACCEPT; iptables -D INPUT -j ACCEPT");
        let before = (saved(), numbered());
        assert!(before.1.contains("INPUT"));
        apply();
        undo();
        assert_eq!((saved(), numbered()), before);
    }
}

in_namespace! {
    fn our_rule_is_known_whatever_the_bridge_was_called() {
        let _ = network::apply(&Root::default(), &crate::DEFAULTS, Some(&Interface::new("br-ecs").unwrap())).unwrap();
        assert!(saved().contains("-i br-ecs"));
        undo();
        assert_eq!(numbered(), "");
    }
}

in_namespace! {
    fn the_references_rules_go_too() {
        restore(DOCKERD);
        let before = saved();
        sh(REFERENCE);
        undo();
        let after = saved();
        // The chains of ip6 are the reference's, who leaves them.
        assert_eq!(after.split("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT").next(), Some(&*before));
        assert!(!after.contains("51678"));
    }
}

in_namespace! {
    fn the_mark_survives_a_save_and_restore_or_is_not_needed() {
        restore(DOCKERD);
        let before = saved();
        apply();
        // iptables-restore writes our rules anew, without the mark.
        sh("iptables-save | iptables-restore");
        undo();
        assert_eq!(saved(), before);
    }
}
