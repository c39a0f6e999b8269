//! A bake for another init system: the earlier service is removed, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ecs_init::bake::Init;
use ecs_init::sys::random::random;

use super::fixture::{Fixture, everything};

const MANIFEST: &str = "var/lib/ecs/ecs-init.manifest.json";

/// Path, mode and content of every file and link. (Directories of a service stay.)
fn files(fixture: &Fixture) -> Vec<(String, u32, String)> {
    let all = everything(fixture.tree()).into_iter();
    all.map(|(path, entry)| {
        let content = String::from_utf8_lossy(&entry.content).into_owned();
        (path.to_str().unwrap().to_owned(), entry.mode, content)
    })
    .filter(|(path, ..)| fixture.at(path).is_symlink() || !fixture.at(path).is_dir())
    .collect()
}

/// Bakes for each of these init systems in turn.
fn bake(fixture: &mut Fixture, inits: &[Init]) {
    for init in inits {
        fixture.options.init = Some(*init);
        fixture.bake().unwrap();
    }
}

#[test]
fn another_init_replaces_the_earlier_service() {
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
    let mut fixture = Fixture::new();
    // A new tree.
    let mut baked = |inits: &[Init]| {
        fs::remove_dir_all(fixture.tree()).unwrap();
        fixture.write("etc/inittab", "id:2:initdefault:\n::shutdown:umount -a\n");
        fixture.write("etc/s6/service/.s6-svscan/finish", "");
        bake(&mut fixture, inits);
        files(&fixture)
    };
    for second in inits {
        let once = baked(&[second]);
        for first in inits {
            let twice = baked(&[first, second]);
            let differ = once.iter().zip(&twice).find(|(a, b)| a != b);
            assert_eq!(differ, None, "{first}, then {second}");
            assert_eq!(once.len(), twice.len(), "{first}, then {second}");
        }
    }
}

#[test]
fn changed_earlier_service_stays() {
    let mut fixture = Fixture::new();
    bake(&mut fixture, &[Init::Systemd]);
    let unit = "usr/lib/systemd/system/ecs.service";
    let enabled = "etc/systemd/system/multi-user.target.wants/ecs.service";
    fixture.write(unit, "[Service]\n");
    bake(&mut fixture, &[Init::OpenRc]);
    assert_eq!(fs::read_to_string(fixture.at(unit)).unwrap(), "[Service]\n");
    assert!(!fixture.at(enabled).is_symlink());

    let mut fixture = Fixture::new();
    fixture.write("etc/inittab", "id:2:initdefault:\n");
    bake(&mut fixture, &[Init::SysV]);
    let inittab = fs::read_to_string(fixture.at("etc/inittab")).unwrap();
    let changed = inittab.replace("2345", "345");
    assert_ne!(changed, inittab);
    fixture.write("etc/inittab", &changed);
    bake(&mut fixture, &[Init::OpenRc]);
    assert_eq!(
        fs::read_to_string(fixture.at("etc/inittab")).unwrap(),
        changed
    );
}

/// The manifest says what was installed, not the service of the current program.
#[test]
fn service_of_an_older_program_is_removed() {
    let mut fixture = Fixture::new();
    fixture.write("etc/inittab", "id:2:initdefault:\n");
    let older = |fixture: &Fixture, path: &str, edit: &dyn Fn(&str) -> String| {
        let text = edit(&fs::read_to_string(fixture.at(path)).unwrap());
        fixture.write(path, &text);
    };
    bake(&mut fixture, &[Init::Upstart]);
    let new = fs::read(fixture.at("etc/init/ecs.conf")).unwrap();
    older(&fixture, "etc/init/ecs.conf", &|_| "# older\n".to_owned());
    let digest = |bytes: &[u8]| ecs_init::fs::sha256(bytes).unwrap().to_string();
    older(&fixture, MANIFEST, &|text| {
        text.replace(&digest(&new), &digest(b"# older\n"))
    });
    bake(&mut fixture, &[Init::Busybox]);
    assert!(!fixture.at("etc/init/ecs.conf").exists());

    let respawn = |text: &str| text.replace("run --respawned", "run --older");
    older(&fixture, "etc/inittab", &respawn);
    older(&fixture, MANIFEST, &respawn);
    let changed = fs::read_to_string(fixture.at("etc/inittab")).unwrap();
    assert!(changed.contains("--older"), "{changed}");
    bake(&mut fixture, &[Init::Busybox]);
    let inittab = fs::read_to_string(fixture.at("etc/inittab")).unwrap();
    assert!(!inittab.contains("--older"), "{inittab}");
    assert_eq!(inittab.matches("run --respawned").count(), 1, "{inittab}");
}

#[test]
fn directory_at_the_earlier_service_stays() {
    let mut fixture = Fixture::new();
    bake(&mut fixture, &[Init::Runit]);
    let service = fixture.at("etc/runit/runsvdir/default/ecs");
    fs::remove_file(&service).unwrap();
    fs::create_dir(&service).unwrap();
    bake(&mut fixture, &[Init::OpenRc]);
    assert!(service.is_dir());
}

#[test]
fn wanted_file_behind_a_link_is_not_removed() {
    // Both service directories of s6 are the same.
    let mut fixture = Fixture::new();
    let scanned = "etc/s6-linux-init/current/run-image/service";
    fs::create_dir_all(fixture.at(scanned)).unwrap();
    fs::create_dir_all(fixture.at("etc/s6")).unwrap();
    let link = "../s6-linux-init/current/run-image/service";
    symlink(link, fixture.at("etc/s6/service")).unwrap();
    bake(&mut fixture, &[Init::S6LinuxInit]);
    let manifest = fs::read_to_string(fixture.at(MANIFEST)).unwrap();
    let as_s6 = manifest
        .replace(scanned, "etc/s6/service")
        .replace("s6-linux-init", "s6");
    fixture.write(MANIFEST, &as_s6);
    bake(&mut fixture, &[Init::S6LinuxInit]);
    assert!(fixture.at(scanned).join("ecs/run").is_symlink());

    // Both unit directories of systemd are the same, and contain a mask.
    let mut fixture = Fixture::new();
    fs::create_dir_all(fixture.at("usr/lib/systemd/system")).unwrap();
    fs::create_dir_all(fixture.at("etc/systemd")).unwrap();
    let link = "../../usr/lib/systemd/system";
    symlink(link, fixture.at("etc/systemd/system")).unwrap();
    let unit = fixture.at("usr/lib/systemd/system/ecs.service");
    symlink("/dev/null", &unit).unwrap();
    bake(&mut fixture, &[Init::Systemd]);
    assert!(unit.is_file() && !unit.is_symlink());
}

/// The manifest tells the next bake what to remove, so it must be replaced last.
#[test]
fn bake_after_a_killed_one_completes_it() {
    let mut fixture = Fixture::new();
    bake(&mut fixture, &[Init::OpenRc]);
    let once = files(&fixture);
    fs::remove_dir_all(fixture.tree()).unwrap();
    fs::create_dir(fixture.tree()).unwrap();
    let start_bake = |init: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ecs-init"));
        command
            .args(["bake", "--arch", "arm64", "--agent-version", "1.99.0"])
            .args([
                "--tar",
                "agent.tar",
                "--keyring",
                "keys",
                "--binary",
                "program",
            ])
            .args(["--init", init, "--root"])
            .arg(fixture.tree())
            .current_dir(fixture.dir.path())
            .env_clear()
            .stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut longest = Duration::ZERO;
    for round in 0..60 {
        assert!(start_bake("upstart").wait().unwrap().success());
        let start = Instant::now();
        let mut killed = start_bake("openrc");
        if round < 3 {
            assert!(killed.wait().unwrap().success());
            longest = longest.max(start.elapsed());
            continue;
        }
        let most = u64::try_from(longest.as_micros()).unwrap().max(1);
        std::thread::sleep(Duration::from_micros(random().unwrap() % most));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(start_bake("openrc").wait().unwrap().success());
        let paths = |all: &[(String, u32, String)]| {
            let paths = all.iter().map(|(path, ..)| path.clone());
            paths.collect::<Vec<_>>()
        };
        let now = files(&fixture);
        assert_eq!(paths(&now), paths(&once), "round {round}");
        assert!(now == once, "round {round}");
    }
}
