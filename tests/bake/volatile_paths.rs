//! Trees whose links lead to directories that are empty after a boot.

use std::fs;
use std::os::unix::fs::symlink;

use super::fixture::Fixture;

/// Links of a tree: path and target.
type Links<'a> = &'a [(&'a str, &'a str)];

/// A tree with these links, and no tar: the links are checked before it is read.
fn linked(links: Links) -> Fixture {
    let fixture = Fixture::new();
    for dir in ["tmp", "run"] {
        fs::create_dir(fixture.at(dir)).unwrap();
    }
    for (path, target) in links {
        let path = fixture.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }
    fs::remove_file(fixture.dir.path().join("agent.tar")).unwrap();
    fixture
}

#[test]
fn link_to_volatile_directory_is_refused() {
    let cases: [(Links, &str, &str); 7] = [
        // Buildroot's, without systemd.
        (&[("var/cache", "../tmp")], "var/cache", "/tmp"),
        (&[("var/lib", "/tmp/lib")], "var/lib", "/tmp"),
        (
            &[("var/lib/ecs", "/var/run/ecs")],
            "var/lib/ecs",
            "/var/run",
        ),
        (
            &[("var/run", "../run"), ("var/cache/ecs", "../run/x")],
            "var/cache/ecs",
            "/run",
        ),
        (&[("var", "/run/var")], "var", "/run"),
        // Yocto's, as a chain of links.
        (
            &[("var/cache", "vol"), ("var/vol", "volatile/cache")],
            "var/cache",
            "/var/volatile",
        ),
        (
            &[
                ("tmp2", "scratch"),
                ("var/tmp", "/tmp2"),
                ("var/cache", "/scratch"),
            ],
            "var/cache",
            "/var/tmp",
        ),
    ];
    for (links, named, volatile) in cases {
        let fixture = linked(links);
        let named = fs::canonicalize(fixture.tree()).unwrap().join(named);
        fixture.expect_refused(&format!("{} is a link to ", named.display()));
        fixture.expect_refused(&format!("{volatile} is empty after a boot"));
        fixture.expect_refused("make it a real directory");
    }
}

#[test]
fn link_to_persistent_directory_is_followed() {
    let mut fixture = linked(&[
        ("var/log", "../tmp"),
        ("var/run", "../run"),
        ("var/cache", "/data/tmp"),
        ("var/lib/ecs", "../../data/run"),
    ]);
    fixture.tar(1);
    fixture.bake().unwrap();
    for path in [
        "data/tmp/ecs/ecs-agent.tar",
        "data/run/ecs-init.manifest.json",
    ] {
        assert!(fixture.at(path).exists(), "{path}");
    }
    // /tmp leads to /var/cache, not the other way round.
    fixture.options.root = fixture.dir.path().join("another");
    fs::create_dir_all(fixture.at("var/cache")).unwrap();
    symlink("var/cache", fixture.at("tmp")).unwrap();
    fixture.bake().unwrap();
    assert!(fixture.at("tmp/ecs/ecs-agent.tar").exists());
}
