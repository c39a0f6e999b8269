//! Links in the tree are followed inside it.

use std::fs;
use std::os::unix::fs::symlink;

use ecs_init::bake::Init;
use ecs_init::bake::options::EcsConfig;

use super::fixture::{Fixture, everything};

#[test]
fn links_are_followed_as_in_the_image() {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::Systemd);
    fixture.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    let outside = fixture.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("ecs.config"), "foreign").unwrap();
    fs::write(outside.join("amazon-ecs-init"), "foreign").unwrap();
    let before = everything(&outside);
    for dir in [
        "usr/lib",
        "var/cache",
        "system/etc/ecs",
        "usr/libexec",
        "var/lib",
    ] {
        fs::create_dir_all(fixture.at(dir)).unwrap();
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
        symlink(target, fixture.at(name)).unwrap();
    }
    fixture.bake().unwrap();
    assert_eq!(everything(&outside), before);
    let inside = fixture.at(outside_name.trim_start_matches('/'));
    for path in [
        inside.join("ecs/exec"),
        inside.join("ecs.config"),
        fixture.at("srv/cache/ecs-agent-v1.99.0.tar"),
        fixture.at("srv/ecs/ecs-init.manifest.json"),
        fixture.at("srv/ecs/data"),
        fixture.at("system/etc/ecs/ecs-init.keyring"),
        fixture.at("usr/lib/elsewhere/system/ecs.service"),
    ] {
        assert!(path.exists(), "{}", path.display());
    }
    // The user may keep the configuration elsewhere; the program is replaced even if it is a link.
    assert!(fixture.at("system/etc/ecs/ecs.config").is_symlink());
    let program = fs::symlink_metadata(fixture.at("usr/libexec/amazon-ecs-init")).unwrap();
    assert!(program.is_file());
    assert!(fixture.bake().unwrap().unchanged);
}

#[test]
fn tree_may_be_a_link() {
    let mut fixture = Fixture::new();
    let link = fixture.dir.path().join("link");
    symlink("tree", &link).unwrap();
    fixture.options.root = link;
    fixture.bake().unwrap();
    assert!(
        fixture
            .dir
            .path()
            .join("tree/var/cache/ecs/state")
            .is_file()
    );
    fixture.options.root = fixture.dir.path().join("nowhere");
    let error = fixture.bake().unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
}
