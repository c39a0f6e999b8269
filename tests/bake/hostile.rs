//! Links in the tree: none leads out of it.

use std::fs;
use std::os::unix::fs::symlink;

use ecs_init::bake::Init;
use ecs_init::bake::options::EcsConfig;

use super::bench::{Bench, everything};

#[test]
fn links_are_followed_as_the_images_kernel_will() {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::Systemd);
    bench.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    let outside = bench.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("ecs.config"), "theirs").unwrap();
    fs::write(outside.join("amazon-ecs-init"), "theirs").unwrap();
    let before = everything(&outside);
    for dir in [
        "usr/lib",
        "var/cache",
        "system/etc/ecs",
        "usr/libexec",
        "var/lib",
    ] {
        fs::create_dir_all(bench.at(dir)).unwrap();
    }
    let outside_name = outside.to_str().unwrap();
    for (name, target) in [
        ("lib", "usr/lib"),
        ("etc", "/system/etc"),
        ("var/log", outside_name),
        ("var/cache/ecs", "/srv/cache"),
        ("var/lib/ecs", "../../../../../../../../../../srv/ecs"),
        (
            "system/etc/ecs/ecs.config",
            &format!("{outside_name}/ecs.config"),
        ),
        (
            "usr/libexec/amazon-ecs-init",
            &format!("{outside_name}/amazon-ecs-init"),
        ),
        ("usr/lib/systemd", "/lib/elsewhere"),
    ] {
        symlink(target, bench.at(name)).unwrap();
    }
    bench.bake().unwrap();
    assert_eq!(everything(&outside), before);
    let inside = bench.at(outside_name.trim_start_matches('/'));
    for path in [
        inside.join("ecs/exec"),
        inside.join("ecs.config"),
        bench.at("srv/cache/ecs-agent-v1.99.0.tar"),
        bench.at("srv/ecs/ecs-init.manifest.json"),
        bench.at("srv/ecs/data"),
        bench.at("system/etc/ecs/ecs-init.keyring"),
        bench.at("usr/lib/elsewhere/system/ecs.service"),
    ] {
        assert!(path.exists(), "{}", path.display());
    }
    // The user may keep a configuration elsewhere; the program is replaced, link or not.
    assert!(bench.at("system/etc/ecs/ecs.config").is_symlink());
    let program = fs::symlink_metadata(bench.at("usr/libexec/amazon-ecs-init")).unwrap();
    assert!(program.is_file());
    assert!(bench.bake().unwrap().unchanged);
}

#[test]
fn a_tree_that_is_a_link_is_what_it_points_to() {
    let mut bench = Bench::new();
    let link = bench.dir.path().join("link");
    symlink("tree", &link).unwrap();
    bench.options.root = link;
    bench.bake().unwrap();
    assert!(bench.dir.path().join("tree/var/cache/ecs/state").is_file());
    bench.options.root = bench.dir.path().join("nowhere");
    let error = bench.bake().unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}
