//! Units and inittab entries that override the installed service.

use std::fs;
use std::os::unix::fs::symlink;

use ecs_init::bake::Init;

use super::fixture::{Fixture, everything};

const UNIT: &str = "etc/systemd/system/ecs.service";

fn systemd() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::Systemd);
    fs::create_dir_all(fixture.at("etc/systemd/system")).unwrap();
    fixture
}

#[test]
fn mask_is_removed() {
    for target in ["/dev/null", "../../../dev/null"] {
        let fixture = systemd();
        symlink(target, fixture.at(UNIT)).unwrap();
        fixture.bake().unwrap();
        assert!(!fixture.at(UNIT).is_symlink(), "{target}");
        assert!(fixture.bake().unwrap().unchanged);
        // An empty file is a mask too.
        fixture.write(UNIT, "");
        assert!(!fixture.bake().unwrap().unchanged);
        assert!(!fixture.at(UNIT).exists());
    }
}

#[test]
fn mask_stays_after_failure_or_for_another_init() {
    let mut fixture = systemd();
    symlink("/dev/null", fixture.at(UNIT)).unwrap();
    fixture.options.init = Some(Init::None);
    fixture.bake().unwrap();
    assert!(fixture.at(UNIT).is_symlink());
    fixture.options.init = Some(Init::Systemd);
    fs::write(fixture.dir.path().join("agent.tar.asc"), "none").unwrap();
    fixture.expect_refused("agent.tar");
}

#[test]
fn unit_of_the_user_is_kept() {
    let fixture = systemd();
    fixture.write(UNIT, "[Service]\n");
    fixture.bake().unwrap();
    assert_eq!(fs::read_to_string(fixture.at(UNIT)).unwrap(), "[Service]\n");
}

fn inittab(text: &str) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::SysV);
    fixture.write("etc/inittab", text);
    fixture
}

/// Of two entries with one identifier init uses the first.
#[test]
fn older_inittab_entry_is_replaced() {
    let (before, after) = ("id:2:initdefault:\n", "#ecs:2:off:x\nx:2:once:/bin/ecs:\n");
    for old in [
        "ecs:2:respawn:/usr/libexec/amazon-ecs-init start",
        " ecs:2:off:/usr/libexec/amazon-ecs-init run",
    ] {
        let fixture = inittab(&format!("{before}{old}\n{after}"));
        fixture.bake().unwrap();
        let text = fs::read_to_string(fixture.at("etc/inittab")).unwrap();
        let rest = text.strip_prefix(&format!("{before}{after}"));
        let rest = rest.unwrap_or_else(|| panic!("{text}"));
        assert!(rest.starts_with("ecs:2345:respawn:"), "{text}");
        assert_eq!(rest.lines().count(), 1, "{text}");
        assert!(fixture.bake().unwrap().unchanged);
        // Both the older and the current entry.
        fixture.write("etc/inittab", &format!("{old}\n{text}"));
        fixture.bake().unwrap();
        assert_eq!(fs::read_to_string(fixture.at("etc/inittab")).unwrap(), text);
    }
}

#[test]
fn foreign_inittab_entry_with_the_identifier_is_refused() {
    let text = "id:2:initdefault:\necs:2:respawn:/sbin/getty\n";
    let mut fixture = inittab(text);
    fixture.expect_refused("etc/inittab:2: the identifier ecs is the service's");
    // BusyBox does not use identifiers.
    fixture.options.init = Some(Init::Busybox);
    fixture.bake().unwrap();
    let all = everything(fixture.tree());
    let inittab = &all[std::path::Path::new("etc/inittab")].content;
    assert!(inittab.starts_with(text.as_bytes()));
}
