//! The cached tar, its signature, its state and the keyring.

use std::cell::RefCell;
use std::fs;

use super::{Image, NOTHING, TAR, expect_one_finding, fixtures};

const LINK: &str = "/var/cache/ecs/ecs-agent.tar";

/// Expects one finding, at `reported`, if the file at `path` has other content.
fn expect_finding_if_replaced(path: &str, content: &[u8], reported: &str, rule: &str) {
    let original = RefCell::new(Vec::new());
    expect_one_finding(
        reported,
        rule,
        |image| {
            original.replace(fs::read(image.at(path)).unwrap());
            image.write(path, content);
        },
        |image| image.write(path, &*original.borrow()),
    );
}

/// Expects one finding, at `reported`, if the file at `path` is missing.
fn expect_finding_if_missing(path: &str, reported: &str, rule: &str) {
    expect_one_finding(
        reported,
        rule,
        |image| fs::rename(image.at(path), image.at("/kept")).unwrap(),
        |image| fs::rename(image.at("/kept"), image.at(path)).unwrap(),
    );
}

#[test]
fn rejected_unsigned_or_missing_cached_tar() {
    let asc = format!("{TAR}.asc");
    expect_finding_if_replaced(TAR, &fixtures::tar(2), TAR, "rejected-tar");
    expect_finding_if_replaced(&asc, b"junk", TAR, "rejected-tar");
    expect_finding_if_replaced("/var/lib/ecs/ecs.config", b"", TAR, "rejected-tar");
    expect_finding_if_replaced(LINK, b"", LINK, "empty-tar");
    expect_finding_if_missing(&asc, TAR, "unsigned-tar");
    expect_finding_if_missing(TAR, LINK, "dangling-tar");
}

/// As at boot: a signature next to the link is used, and unsigned tars may be allowed.
#[test]
fn signature_next_to_link_or_allowed_unsigned_tar_is_accepted() {
    let asc = format!("{TAR}.asc");
    let image = Image::baked();
    let beside_link = image.at("/var/cache/ecs/ecs-agent.tar.asc");
    fs::rename(image.at(&asc), &beside_link).unwrap();
    assert_eq!(image.lines(), NOTHING);
    fs::remove_file(beside_link).unwrap();
    assert_eq!(image.rules(), ["unsigned-tar"]);
    image.write("/etc/ecs/ecs.config", "ECS_INIT_ALLOW_UNSIGNED=true");
    assert_eq!(image.lines(), NOTHING);
    // The user's file overrides the image's.
    let image_config = "ECS_INIT_ALLOW_UNSIGNED=true\nECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring";
    image.write("/var/lib/ecs/ecs.config", image_config);
    image.write("/etc/ecs/ecs.config", "ECS_INIT_ALLOW_UNSIGNED=false");
    assert_eq!(image.rules(), ["unsigned-tar"]);
}

#[test]
fn cache_state_that_prevents_loading_the_tar() {
    let state = "/var/cache/ecs/state";
    for content in ["1", "0", "junk"] {
        expect_finding_if_replaced(state, content.as_bytes(), state, "cache-state");
    }
    expect_finding_if_missing(state, state, "cache-state");
    // Without a tar the state does not matter.
    let image = Image::baked();
    image.remove("/var/cache/ecs");
    image.write(state, "1");
    assert_eq!(image.lines(), NOTHING);
}

#[test]
fn unusable_keyring() {
    let keyring = "/etc/ecs/ecs-init.keyring";
    expect_finding_if_replaced(keyring, b"junk", keyring, "keyring");
    expect_finding_if_missing(keyring, keyring, "keyring");
}
