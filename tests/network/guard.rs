//! Rules are restored after another program removes them.

use std::time::Duration;

use crate::namespace::{in_namespace, sh};
use crate::oracle::{DOCKERD, restore, saved};
use crate::{DEFAULTS, NFTABLES_BLOCK_IMDS, apply, apply_with, undo};
use ecs_init::config::NetworkConfig;
use ecs_init::network::netlink::message::{self, Message};
use ecs_init::network::nft::event::{Event, GROUP};
use ecs_init::network::{self, Guard};
use ecs_init::sys::netlink::{Protocol, Socket};
use ecs_init::types::{Interface, Root};

fn guard(config: &NetworkConfig) -> Option<Guard> {
    let docker0 = Interface::docker0();
    let applied = network::find_applied(&Root::default(), config, Some(&docker0)).expect("read");
    applied.map(|applied| applied.guard().expect("a guard"))
}

/// Waits until the rules are restored. The limit only keeps a failing test from hanging.
fn wait_until_restored(what: &str, is_restored: impl Fn() -> bool) {
    for _ in 0..6000 {
        if is_restored() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("not restored within two minutes: {what}");
}

in_namespace! {
    fn rules_are_restored_after_a_reload() {
        restore(DOCKERD);
        apply();
        let written = saved();
        let _guard = guard(&DEFAULTS).expect("rules to guard");
        sh("iptables -D INPUT ! -i lo -p tcp --dport 51678 -j DROP");
        wait_until_restored("one rule", || saved() == written);
        restore(DOCKERD);
        wait_until_restored("iptables-restore", || saved() == written);
        sh("nft flush ruleset");
        wait_until_restored("nft flush ruleset", || saved().matches("-A ").count() == 7);
    }
}

in_namespace! {
    fn dedicated_tables_are_restored() {
        apply_with(&NFTABLES_BLOCK_IMDS);
        let written = sh("nft list ruleset");
        let _guard = guard(&NFTABLES_BLOCK_IMDS).expect("rules to guard");
        sh("nft delete table ip ecs-init");
        wait_until_restored("delete table", || sh("nft list table ip ecs-init 2>&1 || true").contains("dnat to"));
        sh("nft flush ruleset");
        wait_until_restored("nft flush ruleset", || sh("nft list ruleset") == written);
    }
}

in_namespace! {
    fn guard_does_not_start_without_rules_of_pre_start() {
        restore(DOCKERD);
        assert!(guard(&DEFAULTS).is_none());
        apply();
        assert!(guard(&DEFAULTS).is_some());
        undo();
        assert!(guard(&DEFAULTS).is_none());
    }
}

in_namespace! {
    fn post_stop_sends_the_teardown_marker_with_and_without_rules() {
        for applied in [true, false] {
            if applied {
                apply();
            }
            let socket = Socket::listen(Protocol::Netfilter, GROUP).expect("listen");
            undo();
            let mut events = Vec::new();
            let mut buffer = Vec::new();
            while socket.try_receive(&mut buffer).expect("receive") {
                for received in message::read(&buffer).expect("messages") {
                    let Message::Object { kind, body } = received.message else { continue };
                    events.extend(Event::read(kind, body));
                }
            }
            assert_eq!(events.first(), Some(&Event::Teardown), "{events:?}");
            assert!(matches!(events.last(), Some(Event::Generation(_))), "{events:?}");
            assert_eq!(sh("nft list tables"), "");
        }
    }
}

in_namespace! {
    fn guard_resumes_at_the_next_pre_start() {
        apply();
        let written = saved();
        let _guard = guard(&DEFAULTS).expect("rules to guard");
        undo();
        // The guard restores a deleted rule only after it has seen the rules of the new pre-start.
        // How long that takes is unknown: repeat with more time.
        for seconds in 2.. {
            apply();
            assert_eq!(saved(), written);
            std::thread::sleep(Duration::from_secs(seconds));
            sh("iptables -D INPUT ! -i lo -p tcp --dport 51678 -j DROP");
            std::thread::sleep(Duration::from_secs(seconds));
            if saved() == written {
                break;
            }
        }
    }
}
