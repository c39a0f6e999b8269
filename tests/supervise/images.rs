//! The existing container and its image: adopt, replace, load again, remove.

use ecs_init::supervise::ImageToLoad::Cached;
use ecs_init::supervise::spec_digest;

use super::engine::{Reply, default_reply, response};
use super::{
    assert_loads, assert_slept, calls_of_one_run, spec, supervise, supervise_without_loads,
};

/// A container with the agent's name, created from `image` and with this digest in its label.
fn existing(digest: &str, running: bool, image: &str) -> Reply {
    response(
        200,
        &format!(
            r#"{{"Id":"c0ffee","Image":"{image}","State":{{"Running":{running}}},
            "Config":{{"Labels":{{"{}":"{digest}"}}}}}}"#,
            spec_digest::LABEL
        ),
    )
}

#[test]
fn matching_running_container_is_adopted() {
    let digest = spec_digest::compute(&spec(), "sha256:1").unwrap();
    let script = move |call: &str, _| match call {
        "find" => existing(&digest, true, "sha256:1"),
        _ => default_reply(call),
    };
    let s = supervise_without_loads(script);
    assert_eq!(s.calls, ["find", "image", "wait", "ping"]);
}

#[test]
fn other_container_is_replaced() {
    let digest = spec_digest::compute(&spec(), "sha256:1").unwrap();
    let other = spec_digest::compute(&spec(), "sha256:0").unwrap();
    // Another image; no digest; not running.
    for (digest, running) in [(other.as_str(), true), ("", true), (&digest, false)] {
        let found = existing(digest, running, "sha256:1");
        let script = move |call: &str, _| match call {
            "find" => found.clone(),
            _ => default_reply(call),
        };
        let s = supervise_without_loads(script);
        assert_eq!(s.calls, calls_of_one_run(&["ping"]));
    }
}

#[test]
fn old_image_is_removed_if_it_has_no_name() {
    let calls_after_start = |names: &'static str| {
        let script = move |call: &str, n| match (call, n) {
            ("find", _) => existing("", false, "sha256:0"),
            // The first request is for the agent's image, the second for the old one.
            ("image", 1) => response(200, &format!(r#"{{"Id":"sha256:0",{names}}}"#)),
            _ => default_reply(call),
        };
        let calls = supervise_without_loads(script).calls;
        let start = calls.iter().position(|c| c == "start").unwrap();
        calls[start + 1..].to_vec()
    };
    let removed = ["image", "remove-image sha256:0", "wait", "ping"];
    let kept = ["image", "wait", "ping"];
    for (names, want) in [
        (r#""RepoTags":[],"RepoDigests":null"#, &removed[..]),
        (r#""RepoTags":["another/name:1"]"#, &kept),
        (r#""RepoTags":[],"RepoDigests":["a@sha256:0"]"#, &kept),
    ] {
        assert_eq!(calls_after_start(names), want);
    }
}

#[test]
fn missing_image_is_loaded_once_per_start() {
    let missing = || response(404, r#"{"message":"No such image: the/agent:latest"}"#);
    let before = move |call: &str, n| match (call, n) {
        ("image", 0) => missing(),
        _ => default_reply(call),
    };
    let s = supervise(before, |_| true);
    assert_loads(&s, &[Cached; 1]);
    let want = [
        "find", "image", "image", "remove", "create", "start", "wait", "ping",
    ];
    assert_eq!(s.calls, want);
    assert_slept(&s, &[]);

    // Removed between the check and the creation of the container.
    let between = move |call: &str, n| match (call, n) {
        ("create", 0) => missing(),
        _ => default_reply(call),
    };
    let s = supervise(between, |_| true);
    assert_loads(&s, &[Cached; 1]);
    let want = ["create", "image", "create", "start", "wait", "ping"];
    assert_eq!(s.calls[3..], want);
    assert_slept(&s, &[]);

    // Removed after each load: one load per start, with pauses.
    let again = move |call: &str, n| match (call, n) {
        ("create", 0..4) => missing(),
        _ => default_reply(call),
    };
    let s = supervise(again, |_| true);
    assert_loads(&s, &[Cached; 2]);
    assert_slept(&s, &[0.5, 1.0]);

    // It cannot be loaded.
    let s = supervise(before, |_| false);
    assert_loads(&s, &[Cached; 1]);
    assert_slept(&s, &[0.5]);
}
