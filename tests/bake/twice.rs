//! Twice is once; and the next version takes the place of the last.

use std::fs::{self, File};

use ecs_init::bake::Init;
use ecs_init::bake::order::{Settings, Whence};

use super::bench::{Bench, everything, paths};

#[test]
fn twice_is_once() {
    let mut bench = Bench::new();
    bench.order.init = Some(Init::Systemd);
    bench.order.settings = Settings::Lines(vec!["A=1".into()]);
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
    bench.refused("another bake is at work");
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
    bench.order.version = Some("v1.100.0".parse().unwrap());
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
        bench.order.version = None;
        bench.order.whence = Whence::Tar {
            tar,
            signature: Some(signature),
        };
        bench.bake().unwrap();
        let link = fs::read_link(bench.at("var/cache/ecs/ecs-agent.tar")).unwrap();
        assert_eq!(link.to_str(), Some(kept), "{name}");
        assert!(bench.bake().unwrap().unchanged);
    }
}

#[test]
fn another_order_takes_the_earlier_ones_place() {
    let inits = [
        Init::Systemd,
        Init::OpenRc,
        Init::Runit,
        Init::S6,
        Init::SysV,
        Init::Upstart,
        Init::Busybox,
        Init::None,
    ];
    let mut bench = Bench::new();
    // Of a tree that had none of it before.
    let mut bake = |orders: &[Init]| {
        fs::remove_dir_all(bench.tree()).unwrap();
        bench.write("etc/inittab", "id:2:initdefault:\n::shutdown:umount -a\n");
        bench.write("etc/s6/service/.s6-svscan/finish", "");
        for init in orders {
            bench.order.init = Some(*init);
            bench.bake().unwrap();
        }
        // Directories that a service was in stay.
        let all = everything(bench.tree()).into_iter();
        let things = all.filter(|(path, _)| !bench.at(path.to_str().unwrap()).is_dir());
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        things
            .map(|(path, entry)| (path, entry.mode, text(entry.content)))
            .collect::<Vec<_>>()
    };
    for second in inits {
        let once = bake(&[second]);
        for first in inits {
            let twice = bake(&[first, second]);
            let differ = once.iter().zip(&twice).find(|(a, b)| a != b);
            assert_eq!(differ, None, "{first}, then {second}");
            assert_eq!(once.len(), twice.len(), "{first}, then {second}");
        }
    }
}

#[test]
fn what_somebody_made_of_the_earlier_ones_stays() {
    let mut bench = Bench::new();
    bench.order.init = Some(Init::Systemd);
    bench.bake().unwrap();
    let unit = "usr/lib/systemd/system/ecs.service";
    let enabled = "etc/systemd/system/multi-user.target.wants/ecs.service";
    bench.write(unit, "[Service]\n");
    bench.order.init = Some(Init::OpenRc);
    bench.bake().unwrap();
    assert_eq!(fs::read_to_string(bench.at(unit)).unwrap(), "[Service]\n");
    assert!(!bench.at(enabled).is_symlink());
}

/// The image trusts whom its last bake trusted.
#[test]
fn a_keyring_that_is_ordered_no_more_is_taken_away() {
    for changed in [false, true] {
        let mut bench = Bench::new();
        bench.write("var/lib/ecs/ecs.config", "ECS_LOGLEVEL=debug\n");
        bench.bake().unwrap();
        let keyring = "etc/ecs/ecs-init.keyring";
        if changed {
            bench.write(keyring, "another");
        }
        bench.order.keyring = None;
        let unsigned = [("ECS_INIT_ALLOW_UNSIGNED", "true")];
        fs::remove_file(bench.dir.path().join("agent.tar.asc")).unwrap();
        bench.bake_with(&unsigned).unwrap();
        let text = fs::read_to_string(bench.at("var/lib/ecs/ecs.config")).unwrap();
        assert_eq!(bench.at(keyring).exists(), changed);
        assert_eq!(text.contains("ECS_INIT_KEYRING"), changed);
        assert!(text.starts_with("ECS_LOGLEVEL=debug\n"), "{text}");
    }
}
