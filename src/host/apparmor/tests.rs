//! With a fake apparmor_parser, which records its input and lists the profile as the kernel does.

use std::os::unix::fs::symlink;

use super::*;
use crate::testing::TempDir;

struct Fake(
    #[expect(dead_code, reason = "removed at the end of the test")] TempDir,
    Root,
);

impl Fake {
    /// AppArmor enabled, nothing loaded, no parser.
    fn new() -> Fake {
        let dir = TempDir::new("apparmor");
        let root = Root::new(dir.path());
        let fake = Fake(dir, root);
        fake.put("/sys/module/apparmor/parameters/enabled", "Y\n");
        fake.put("/sys/kernel/security/apparmor/profiles", "");
        fake
    }

    /// With a parser.
    fn with_parser() -> Fake {
        let fake = Fake::new();
        fs::create_dir_all(fake.1.at("/sbin")).unwrap();
        fs::create_dir_all(fake.1.at(PROFILES)).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/trees/apparmor_parser");
        symlink(script, fake.1.at(PARSERS[0])).unwrap();
        fake
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.1.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.1.at(path)).ok()
    }

    fn ensure(&self, profile: &str) -> Result<()> {
        ensure(&self.1, profile, false)
    }

    fn has(&self, profile: &str) -> bool {
        AppArmor::read(&self.1).is_some_and(|a| a.has(profile))
    }
}

const GIVEN: &str = "/sbin/given";

#[test]
fn unused_or_disabled_apparmor_is_skipped() {
    let fake = Fake::new();
    assert_eq!(AppArmor::read(&fake.1), None);
    fake.ensure(DEFAULT_PROFILE).unwrap();
    let fake = Fake::with_parser();
    fake.put("/sys/module/apparmor/parameters/enabled", "N\n");
    assert_eq!(AppArmor::read(&fake.1), None);
    fake.ensure(DEFAULT_PROFILE).unwrap();
    assert_eq!(fake.text(GIVEN), None);
}

#[test]
fn loaded_profile_is_not_loaded_again() {
    let fake = Fake::with_parser();
    fake.put(
        "/sys/kernel/security/apparmor/profiles",
        "ecs-agent-default (complain)\nsnap.x (y) (enforce)\n",
    );
    assert!(fake.has("ecs-agent-default") && fake.has("snap.x (y)"));
    fake.ensure(DEFAULT_PROFILE).unwrap();
    fake.ensure("unconfined").unwrap();
    assert_eq!(fake.text(GIVEN), None, "the parser was run");
}

#[test]
fn default_profile_is_written_and_loaded() {
    let fake = Fake::with_parser();
    fake.ensure(DEFAULT_PROFILE).unwrap();
    assert!(fake.has(DEFAULT_PROFILE));
    let file = fake.text("/etc/apparmor.d/ecs-agent-default").unwrap();
    assert!(
        file.contains("\n@{PROC}=/proc/\n") && !file.contains("abstractions"),
        "{file}"
    );
    let given = fake.text(GIVEN).unwrap();
    assert!(given.starts_with("--replace --skip-cache "), "{given}");
    assert!(given.ends_with(&file), "{given}");
    assert_eq!(fs::read_dir(fake.1.at(PROFILES)).unwrap().count(), 1);
}

#[test]
fn existing_includes_are_used() {
    let text = profile::text(true, true);
    assert!(text.contains("#include <tunables/global>\n"));
    assert!(text.contains("#include <abstractions/base>\n"));
    assert!(!text.contains("@{PROC}=/proc/"));
}

#[test]
fn existing_profile_file_is_loaded_unchanged() {
    let fake = Fake::with_parser();
    let own = "profile ecs-agent-default { file, }\n";
    fake.put("/etc/apparmor.d/ecs-agent-default", own);
    fake.put("/etc/apparmor.d/my-agent", "profile my-agent { file, }\n");
    for profile in [DEFAULT_PROFILE, "my-agent"] {
        fake.ensure(profile).unwrap();
        assert!(fake.has(profile), "{profile}");
    }
    assert_eq!(
        fake.text("/etc/apparmor.d/ecs-agent-default").as_deref(),
        Some(own)
    );
}

#[test]
fn default_profile_is_loaded_from_stdin_on_read_only_root() {
    let fake = Fake::with_parser();
    fs::remove_dir(fake.1.at(PROFILES)).unwrap();
    fake.ensure(DEFAULT_PROFILE).unwrap();
    assert!(fake.has(DEFAULT_PROFILE));
    assert!(
        fake.text(GIVEN)
            .unwrap()
            .ends_with(&profile::text(false, false))
    );
}

#[test]
fn load_errors_and_fallback() {
    let broken = Fake::with_parser();
    broken.put("/etc/apparmor.d/ecs-agent-default", "broken\n");
    let silent = Fake::with_parser();
    silent.put("/etc/apparmor.d/ecs-agent-default", "profile another { }\n");
    let unknown = Fake::with_parser();
    let no_parser = Fake::new();
    no_parser.put(
        "/sys/kernel/security/apparmor/profiles",
        "docker-default (enforce)\n",
    );
    for (fake, profile, kind) in [
        (broken, DEFAULT_PROFILE, Kind::Rejected),
        (silent, DEFAULT_PROFILE, Kind::Rejected),
        (unknown, "my-agent", Kind::Unavailable),
        (no_parser, DEFAULT_PROFILE, Kind::Unavailable),
    ] {
        let error = fake.ensure(profile).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        ensure(&fake.1, profile, true).unwrap();
        assert!(!fake.has(profile));
    }
}

#[test]
fn profile_name_with_slash_is_rejected() {
    let fake = Fake::with_parser();
    fake.put("/etc/x", "profile ../x { }\n");
    assert_eq!(fake.ensure("../x").unwrap_err().kind(), Kind::InvalidInput);
    assert_eq!(fake.text(GIVEN), None);
}
