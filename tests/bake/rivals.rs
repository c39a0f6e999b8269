//! What an init would take in place of our service.

use std::fs;
use std::os::unix::fs::symlink;

use ecs_init::bake::Init;

use super::bench::{Bench, everything};

const UNIT: &str = "etc/systemd/system/ecs.service";

fn systemd() -> Bench {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::Systemd);
    fs::create_dir_all(bench.at("etc/systemd/system")).unwrap();
    bench
}

#[test]
fn a_mask_is_taken_away() {
    for target in ["/dev/null", "../../../dev/null"] {
        let bench = systemd();
        symlink(target, bench.at(UNIT)).unwrap();
        bench.bake().unwrap();
        assert!(!bench.at(UNIT).is_symlink(), "{target}");
        assert!(bench.bake().unwrap().unchanged);
        // As good as a mask.
        bench.write(UNIT, "");
        assert!(!bench.bake().unwrap().unchanged);
        assert!(!bench.at(UNIT).exists());
    }
}

#[test]
fn a_mask_stays_where_the_bake_fails_or_the_init_is_another() {
    let mut bench = systemd();
    symlink("/dev/null", bench.at(UNIT)).unwrap();
    bench.options.init = Some(Init::None);
    bench.bake().unwrap();
    assert!(bench.at(UNIT).is_symlink());
    bench.options.init = Some(Init::Systemd);
    fs::write(bench.dir.path().join("agent.tar.asc"), "none").unwrap();
    bench.refused("agent.tar");
}

#[test]
fn a_unit_of_somebodys_own_stays() {
    let bench = systemd();
    bench.write(UNIT, "[Service]\n");
    bench.bake().unwrap();
    assert_eq!(fs::read_to_string(bench.at(UNIT)).unwrap(), "[Service]\n");
}

fn inittab(text: &str) -> Bench {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::SysV);
    bench.write("etc/inittab", text);
    bench
}

/// Of two entries with one identifier init takes the first.
#[test]
fn another_entry_with_our_identifier_gives_way() {
    let (before, after) = ("id:2:initdefault:\n", "#ecs:2:off:x\nx:2:once:/bin/ecs:\n");
    for old in [
        "ecs:2:respawn:/usr/libexec/amazon-ecs-init start",
        " ecs:2:off:/usr/libexec/amazon-ecs-init run",
    ] {
        let bench = inittab(&format!("{before}{old}\n{after}"));
        bench.bake().unwrap();
        let text = fs::read_to_string(bench.at("etc/inittab")).unwrap();
        let rest = text.strip_prefix(&format!("{before}{after}"));
        let rest = rest.unwrap_or_else(|| panic!("{text}"));
        assert!(rest.starts_with("ecs:2345:respawn:"), "{text}");
        assert_eq!(rest.lines().count(), 1, "{text}");
        assert!(bench.bake().unwrap().unchanged);
        // Beside ours, too.
        bench.write("etc/inittab", &format!("{old}\n{text}"));
        bench.bake().unwrap();
        assert_eq!(fs::read_to_string(bench.at("etc/inittab")).unwrap(), text);
    }
}

#[test]
fn an_entry_of_somebody_elses_with_our_identifier_is_named() {
    let text = "id:2:initdefault:\necs:2:respawn:/sbin/getty\n";
    let mut bench = inittab(text);
    bench.refused("etc/inittab:2: the identifier ecs is the service's");
    // BusyBox has no identifiers.
    bench.options.init = Some(Init::Busybox);
    bench.bake().unwrap();
    let all = everything(bench.tree());
    let inittab = &all[std::path::Path::new("etc/inittab")].content;
    assert!(inittab.starts_with(text.as_bytes()));
}
