//! The rules come back when somebody takes them away.

use std::time::Duration;

use crate::namespace::{in_namespace, sh};
use crate::oracle::{DOCKERD, restore, saved};
use crate::{BLOCK_IMDS, DEFAULTS, apply, apply_with, undo};
use ecs_init::config::NetworkConfig;
use ecs_init::network::netlink::message::{self, Message};
use ecs_init::network::nft::news::{GROUP, News};
use ecs_init::network::{self, Guard};
use ecs_init::sys::netlink::{Protocol, Socket};
use ecs_init::types::Interface;
use ecs_init::types::Root;

fn guard(config: &NetworkConfig) -> Option<Guard> {
    let docker0 = Interface::docker0();
    let found = network::found(&Root::default(), config, Some(&docker0)).expect("found");
    found.map(|in_place| in_place.guard().expect("a guard"))
}

/// Waits until it holds. The end is no measurement: a guard that does nothing is to fail the test,
/// not to hang it.
fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("not within two minutes: {what}");
}

in_namespace! {
    fn after_a_reload_the_rules_are_back() {
        restore(DOCKERD);
        apply();
        let ours = saved();
        let _guard = guard(&DEFAULTS).expect("rules to guard");
        // One rule, iptables' rules, everything.
        sh("iptables -D INPUT ! -i lo -p tcp --dport 51678 -j DROP");
        until("one rule", || saved() == ours);
        restore(DOCKERD);
        until("iptables-restore", || saved() == ours);
        sh("nft flush ruleset");
        until("nft flush ruleset", || saved().matches("-A ").count() == 7);
    }
}

in_namespace! {
    fn in_the_other_variant_too() {
        apply_with(&BLOCK_IMDS);
        let ours = sh("nft list ruleset");
        let _guard = guard(&BLOCK_IMDS).expect("rules to guard");
        sh("nft delete table ip ecs-init");
        until("delete table", || sh("nft list table ip ecs-init 2>&1 || true").contains("dnat to"));
        sh("nft flush ruleset");
        until("nft flush ruleset", || sh("nft list ruleset") == ours);
    }
}

in_namespace! {
    fn what_pre_start_never_wrote_is_not_guarded() {
        restore(DOCKERD);
        assert!(guard(&DEFAULTS).is_none());
        apply();
        assert!(guard(&DEFAULTS).is_some());
        undo();
        assert!(guard(&DEFAULTS).is_none());
    }
}

in_namespace! {
    fn post_stop_says_farewell_whether_or_not_there_is_something_to_take_out() {
        for there in [true, false] {
            if there {
                apply();
            }
            let ear = Socket::listen(Protocol::Netfilter, GROUP).expect("listen");
            undo();
            let mut heard = Vec::new();
            let mut buffer = Vec::new();
            while ear.try_receive(&mut buffer).expect("take") {
                for told in message::read(&buffer).expect("messages") {
                    let Message::Object { kind, body } = told.message else { continue };
                    heard.extend(News::read(kind, body));
                }
            }
            assert_eq!(heard.first(), Some(&News::Farewell), "{heard:?}");
            assert!(matches!(heard.last(), Some(News::Generation(_))), "{heard:?}");
            assert_eq!(sh("nft list tables"), "");
        }
    }
}

in_namespace! {
    fn a_guard_that_post_stop_sent_home_comes_back_with_the_next_pre_start() {
        apply();
        let ours = saved();
        let _guard = guard(&DEFAULTS).expect("rules to guard");
        undo();
        // A rule that goes before the guard has seen all of them there again stays out with the
        // others: then once more, with more time.
        for seconds in 2.. {
            apply();
            assert_eq!(saved(), ours);
            std::thread::sleep(Duration::from_secs(seconds));
            sh("iptables -D INPUT ! -i lo -p tcp --dport 51678 -j DROP");
            std::thread::sleep(Duration::from_secs(seconds));
            if saved() == ours {
                break;
            }
        }
    }
}
