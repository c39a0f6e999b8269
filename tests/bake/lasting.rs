//! Trees whose links would have the agent lie where nothing lasts.

use std::fs;
use std::os::unix::fs::symlink;

use super::bench::Bench;

/// Paths of the tree, and where they lead.
type Links<'a> = &'a [(&'a str, &'a str)];

/// A tree with these links, and the order to fetch nothing: what it is to be refused for is found
/// before.
fn linked(links: Links) -> Bench {
    let bench = Bench::new();
    for dir in ["tmp", "run"] {
        fs::create_dir(bench.at(dir)).unwrap();
    }
    for (path, target) in links {
        let path = bench.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }
    fs::remove_file(bench.dir.path().join("agent.tar")).unwrap();
    bench
}

#[test]
fn a_link_to_what_does_not_last_until_the_boot_is_refused() {
    let cases: [(Links, &str, &str); 7] = [
        // Buildroot without systemd.
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
        // Yocto's, and a chain.
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
    for (links, named, fleeting) in cases {
        let bench = linked(links);
        let named = fs::canonicalize(bench.tree()).unwrap().join(named);
        bench.refused(&format!("{} is a link to ", named.display()));
        bench.refused(&format!("{fleeting} is empty after a boot"));
        bench.refused("make it a real directory");
    }
}

#[test]
fn a_link_to_what_lasts_is_followed() {
    let mut bench = linked(&[
        ("var/log", "../tmp"),
        ("var/run", "../run"),
        ("var/cache", "/data/tmp"),
        ("var/lib/ecs", "../../data/run"),
    ]);
    bench.tar(1);
    bench.bake().unwrap();
    for path in [
        "data/tmp/ecs/ecs-agent.tar",
        "data/run/ecs-init.manifest.json",
    ] {
        assert!(bench.at(path).exists(), "{path}");
    }
    // Where /tmp itself lies.
    bench.options.root = bench.dir.path().join("another");
    fs::create_dir_all(bench.at("var/cache")).unwrap();
    symlink("var/cache", bench.at("tmp")).unwrap();
    bench.bake().unwrap();
    assert!(bench.at("tmp/ecs/ecs-agent.tar").exists());
}
