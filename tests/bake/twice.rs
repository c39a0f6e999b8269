//! Twice is once; and the next version takes the place of the last.

use std::fs::{self, File};

use ecs_init::bake::Init;
use ecs_init::bake::options::{AgentTar, EcsConfig};

use super::bench::{Bench, everything, paths};

#[test]
fn twice_is_once() {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::Systemd);
    bench.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    assert!(!bench.bake().unwrap().unchanged);
    let once = everything(bench.tree());
    assert!(bench.bake().unwrap().unchanged);
    // The times, too.
    assert_eq!(everything(bench.tree()), once);
}

/// Whoever is at work may be about to undo it.
#[test]
fn two_at_once_are_one_after_the_other() {
    let bench = Bench::new();
    let tree = File::open(bench.tree()).unwrap();
    tree.try_lock().unwrap();
    bench.refused("another bake is changing");
    drop(tree);
    bench.bake().unwrap();
}

#[test]
fn what_was_changed_since_is_mended() {
    let bench = Bench::new();
    bench.bake().unwrap();
    let strip = |bench: &Bench| {
        let mut all = everything(bench.tree());
        for entry in all.values_mut() {
            entry.modified = (0, 0);
        }
        all
    };
    let once = strip(&bench);
    bench.write("var/cache/ecs/state", "1");
    bench.write("usr/libexec/amazon-ecs-init", "old");
    fs::remove_file(bench.at("usr/sbin/ecs-init")).unwrap();
    bench.write("usr/sbin/ecs-init", "not a link");
    let tar = bench.at("var/cache/ecs/ecs-agent-v1.99.0.tar");
    let mut bytes = fs::read(&tar).unwrap();
    bytes[700] ^= 1;
    fs::write(&tar, bytes).unwrap();
    assert!(!bench.bake().unwrap().unchanged);
    assert_eq!(strip(&bench), once);
}

#[test]
fn the_next_version_takes_the_last_ones_place() {
    let mut bench = Bench::new();
    bench.bake().unwrap();
    bench.write("var/cache/ecs/ecs-agent-v1.50.0.tar", "not ours");
    bench.write(
        "var/cache/ecs/ecs-agent.tar.asc",
        "of a tar that was no link",
    );
    bench.options.version = Some("v1.100.0".parse().unwrap());
    bench.tar(2);
    bench.bake().unwrap();
    let in_cache: Vec<_> = paths(&bench.at("var/cache/ecs"));
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
    let link = fs::read_link(bench.at("var/cache/ecs/ecs-agent.tar")).unwrap();
    assert_eq!(link.to_str(), Some("ecs-agent-v1.100.0.tar"));
}

#[test]
fn a_manifest_cannot_name_what_is_not_the_caches() {
    let bench = Bench::new();
    fs::create_dir_all(bench.at("var/cache/ecs/ecs-agent-")).unwrap();
    for path in [
        "/etc/passwd",
        "/var/cache/ecs/ecs-agent-/../../../../etc/x.tar",
        "ecs-agent-1.tar",
    ] {
        let manifest = format!(r#"{{"agent":{{"path":"{path}"}}}}"#);
        bench.write("var/lib/ecs/ecs-init.manifest.json", &manifest);
        bench.write("etc/passwd", "");
        bench.write("etc/x.tar", "");
        bench.bake().unwrap();
        assert!(
            bench.at("etc/passwd").exists() && bench.at("etc/x.tar").exists(),
            "{path}"
        );
    }
}

#[test]
fn a_tar_may_say_its_version_in_its_name_or_not_at_all() {
    for (name, kept) in [
        ("ecs-agent-arm64-v1.98.1.tar", "ecs-agent-v1.98.1.tar"),
        ("agent.tar", "ecs-agent-baked.tar"),
        ("ecs-agent-latest.tar", "ecs-agent-baked.tar"),
    ] {
        let mut bench = Bench::new();
        let tar = bench.dir.path().join(name);
        let signature = bench.dir.path().join("signature");
        fs::rename(bench.dir.path().join("agent.tar"), &tar).unwrap();
        fs::rename(bench.dir.path().join("agent.tar.asc"), &signature).unwrap();
        bench.options.version = None;
        bench.options.agent = AgentTar::File {
            tar,
            signature: Some(signature),
        };
        bench.bake().unwrap();
        let link = fs::read_link(bench.at("var/cache/ecs/ecs-agent.tar")).unwrap();
        assert_eq!(link.to_str(), Some(kept), "{name}");
        assert!(bench.bake().unwrap().unchanged);
    }
}
