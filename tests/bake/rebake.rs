//! Another bake of the same tree: with the same options, and with another version.

use std::fs::{self, File};

use ecs_init::bake::Init;
use ecs_init::bake::options::{AgentLocation, EcsConfig};

use super::fixture::{Fixture, everything, paths};

#[test]
fn second_bake_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::Systemd);
    fixture.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    assert!(!fixture.bake().unwrap().unchanged);
    let once = everything(fixture.tree());
    assert!(fixture.bake().unwrap().unchanged);
    // Including modification times.
    assert_eq!(everything(fixture.tree()), once);
}

/// The first one may undo its changes.
#[test]
fn concurrent_bake_is_refused() {
    let fixture = Fixture::new();
    let tree = File::open(fixture.tree()).unwrap();
    tree.try_lock().unwrap();
    fixture.expect_refused("another bake is changing");
    drop(tree);
    fixture.bake().unwrap();
}

#[test]
fn changed_files_are_restored() {
    let fixture = Fixture::new();
    fixture.bake().unwrap();
    let strip = |fixture: &Fixture| {
        let mut all = everything(fixture.tree());
        for entry in all.values_mut() {
            entry.modified = (0, 0);
        }
        all
    };
    let once = strip(&fixture);
    fixture.write("var/cache/ecs/state", "1");
    fixture.write("usr/libexec/amazon-ecs-init", "old");
    fs::remove_file(fixture.at("usr/sbin/ecs-init")).unwrap();
    fixture.write("usr/sbin/ecs-init", "not a link");
    let tar = fixture.at("var/cache/ecs/ecs-agent-v1.99.0.tar");
    let mut bytes = fs::read(&tar).unwrap();
    bytes[700] ^= 1;
    fs::write(&tar, bytes).unwrap();
    assert!(!fixture.bake().unwrap().unchanged);
    assert_eq!(strip(&fixture), once);
}

#[test]
fn newer_version_replaces_baked_version() {
    let mut fixture = Fixture::new();
    fixture.bake().unwrap();
    fixture.write("var/cache/ecs/ecs-agent-v1.50.0.tar", "not in the manifest");
    fixture.write("var/cache/ecs/ecs-agent.tar.asc", "of an earlier tar");
    fixture.options.version = Some("v1.100.0".parse().unwrap());
    fixture.tar(2);
    fixture.bake().unwrap();
    let in_cache: Vec<_> = paths(&fixture.at("var/cache/ecs"));
    assert_eq!(
        in_cache,
        [
            "ecs-agent-v1.100.0.tar",
            "ecs-agent-v1.100.0.tar.asc",
            "ecs-agent-v1.50.0.tar",
            "ecs-agent.tar",
            "state",
        ]
    );
    let link = fs::read_link(fixture.at("var/cache/ecs/ecs-agent.tar")).unwrap();
    assert_eq!(link.to_str(), Some("ecs-agent-v1.100.0.tar"));
}

#[test]
fn manifest_cannot_remove_files_outside_the_cache() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.at("var/cache/ecs/ecs-agent-")).unwrap();
    for path in [
        "/etc/passwd",
        "/var/cache/ecs/ecs-agent-/../../../../etc/x.tar",
        "ecs-agent-1.tar",
    ] {
        let manifest = format!(r#"{{"agent":{{"path":"{path}"}}}}"#);
        fixture.write("var/lib/ecs/ecs-init.manifest.json", &manifest);
        fixture.write("etc/passwd", "");
        fixture.write("etc/x.tar", "");
        fixture.bake().unwrap();
        assert!(
            fixture.at("etc/passwd").exists() && fixture.at("etc/x.tar").exists(),
            "{path}"
        );
    }
}

#[test]
fn tar_version_comes_from_its_name() {
    for (name, kept) in [
        ("ecs-agent-arm64-v1.98.1.tar", "ecs-agent-v1.98.1.tar"),
        ("agent.tar", "ecs-agent-baked.tar"),
        ("ecs-agent-latest.tar", "ecs-agent-baked.tar"),
    ] {
        let mut fixture = Fixture::new();
        let tar = fixture.dir.path().join(name);
        let signature = fixture.dir.path().join("signature");
        fs::rename(fixture.dir.path().join("agent.tar"), &tar).unwrap();
        fs::rename(fixture.dir.path().join("agent.tar.asc"), &signature).unwrap();
        fixture.options.version = None;
        fixture.options.agent = AgentLocation::File {
            tar,
            signature: Some(signature),
        };
        fixture.bake().unwrap();
        let link = fs::read_link(fixture.at("var/cache/ecs/ecs-agent.tar")).unwrap();
        assert_eq!(link.to_str(), Some(kept), "{name}");
        assert!(fixture.bake().unwrap().unchanged);
    }
}
