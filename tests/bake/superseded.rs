//! Another order for the same tree: the service of the one before goes, and nothing of anybody
//! else's.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ecs_init::bake::Init;
use ecs_init::sys::random::random;

use super::bench::{Bench, everything};

const MANIFEST: &str = "var/lib/ecs/ecs-init.manifest.json";

/// Path, mode and content of every file and link; directories that a service was in stay.
fn things(bench: &Bench) -> Vec<(String, u32, String)> {
    let all = everything(bench.tree()).into_iter();
    all.map(|(path, entry)| {
        let content = String::from_utf8_lossy(&entry.content).into_owned();
        (path.to_str().unwrap().to_owned(), entry.mode, content)
    })
    .filter(|(path, ..)| bench.at(path).is_symlink() || !bench.at(path).is_dir())
    .collect()
}

/// Bakes for an init after another.
fn bake(bench: &mut Bench, orders: &[Init]) {
    for init in orders {
        bench.options.init = Some(*init);
        bench.bake().unwrap();
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
    let mut baked = |orders: &[Init]| {
        fs::remove_dir_all(bench.tree()).unwrap();
        bench.write("etc/inittab", "id:2:initdefault:\n::shutdown:umount -a\n");
        bench.write("etc/s6/service/.s6-svscan/finish", "");
        bake(&mut bench, orders);
        things(&bench)
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
fn what_somebody_made_of_the_earlier_ones_stays() {
    let mut bench = Bench::new();
    bake(&mut bench, &[Init::Systemd]);
    let unit = "usr/lib/systemd/system/ecs.service";
    let enabled = "etc/systemd/system/multi-user.target.wants/ecs.service";
    bench.write(unit, "[Service]\n");
    bake(&mut bench, &[Init::OpenRc]);
    assert_eq!(fs::read_to_string(bench.at(unit)).unwrap(), "[Service]\n");
    assert!(!bench.at(enabled).is_symlink());

    let mut bench = Bench::new();
    bench.write("etc/inittab", "id:2:initdefault:\n");
    bake(&mut bench, &[Init::SysV]);
    let inittab = fs::read_to_string(bench.at("etc/inittab")).unwrap();
    let changed = inittab.replace("2345", "345");
    assert_ne!(changed, inittab);
    bench.write("etc/inittab", &changed);
    bake(&mut bench, &[Init::OpenRc]);
    assert_eq!(
        fs::read_to_string(bench.at("etc/inittab")).unwrap(),
        changed
    );
}

/// It is the manifest that says what was put there, not the program of today.
#[test]
fn an_older_programs_service_goes_too() {
    let mut bench = Bench::new();
    bench.write("etc/inittab", "id:2:initdefault:\n");
    let older = |bench: &Bench, path: &str, edit: &dyn Fn(&str) -> String| {
        let text = edit(&fs::read_to_string(bench.at(path)).unwrap());
        bench.write(path, &text);
    };
    bake(&mut bench, &[Init::Upstart]);
    let new = fs::read(bench.at("etc/init/ecs.conf")).unwrap();
    older(&bench, "etc/init/ecs.conf", &|_| "# older\n".to_owned());
    let digest = |bytes: &[u8]| ecs_init::fs::sha256(bytes).unwrap().to_string();
    older(&bench, MANIFEST, &|text| {
        text.replace(&digest(&new), &digest(b"# older\n"))
    });
    bake(&mut bench, &[Init::Busybox]);
    assert!(!bench.at("etc/init/ecs.conf").exists());

    let respawn = |text: &str| text.replace("run --respawned", "run --older");
    older(&bench, "etc/inittab", &respawn);
    older(&bench, MANIFEST, &respawn);
    let changed = fs::read_to_string(bench.at("etc/inittab")).unwrap();
    assert!(changed.contains("--older"), "{changed}");
    bake(&mut bench, &[Init::Busybox]);
    let inittab = fs::read_to_string(bench.at("etc/inittab")).unwrap();
    assert!(!inittab.contains("--older"), "{inittab}");
    assert_eq!(inittab.matches("run --respawned").count(), 1, "{inittab}");
}

/// Where nothing of ours is to lie any more, nothing can be in the way.
#[test]
fn a_directory_where_the_earlier_service_lay_is_no_hindrance() {
    let mut bench = Bench::new();
    bake(&mut bench, &[Init::Runit]);
    let service = bench.at("etc/runit/runsvdir/default/ecs");
    fs::remove_file(&service).unwrap();
    fs::create_dir(&service).unwrap();
    bake(&mut bench, &[Init::OpenRc]);
    assert!(service.is_dir());
}

#[test]
fn what_is_wanted_by_another_name_stays() {
    // Both of s6's directories are one.
    let mut bench = Bench::new();
    let scanned = "etc/s6-linux-init/current/run-image/service";
    fs::create_dir_all(bench.at(scanned)).unwrap();
    fs::create_dir_all(bench.at("etc/s6")).unwrap();
    let link = "../s6-linux-init/current/run-image/service";
    symlink(link, bench.at("etc/s6/service")).unwrap();
    bake(&mut bench, &[Init::S6LinuxInit]);
    let manifest = fs::read_to_string(bench.at(MANIFEST)).unwrap();
    let as_s6 = manifest
        .replace(scanned, "etc/s6/service")
        .replace("s6-linux-init", "s6");
    bench.write(MANIFEST, &as_s6);
    bake(&mut bench, &[Init::S6LinuxInit]);
    assert!(bench.at(scanned).join("ecs/run").is_symlink());

    // So are both of systemd's, with a mask in it.
    let mut bench = Bench::new();
    fs::create_dir_all(bench.at("usr/lib/systemd/system")).unwrap();
    fs::create_dir_all(bench.at("etc/systemd")).unwrap();
    let link = "../../usr/lib/systemd/system";
    symlink(link, bench.at("etc/systemd/system")).unwrap();
    let unit = bench.at("usr/lib/systemd/system/ecs.service");
    symlink("/dev/null", &unit).unwrap();
    bake(&mut bench, &[Init::Systemd]);
    assert!(unit.is_file() && !unit.is_symlink());
}

/// The manifest tells the next bake what to take away: it must not be the new one before that is
/// done.
#[test]
fn the_bake_after_a_killed_one_puts_all_right() {
    let mut bench = Bench::new();
    bake(&mut bench, &[Init::OpenRc]);
    let once = things(&bench);
    fs::remove_dir_all(bench.tree()).unwrap();
    fs::create_dir(bench.tree()).unwrap();
    let started = |init: &str| {
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
            .arg(bench.tree())
            .current_dir(bench.dir.path())
            .env_clear()
            .stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut longest = Duration::ZERO;
    for round in 0..60 {
        assert!(started("upstart").wait().unwrap().success());
        let start = Instant::now();
        let mut killed = started("openrc");
        if round < 3 {
            assert!(killed.wait().unwrap().success());
            longest = longest.max(start.elapsed());
            continue;
        }
        let most = u64::try_from(longest.as_micros()).unwrap().max(1);
        std::thread::sleep(Duration::from_micros(random().unwrap() % most));
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(started("openrc").wait().unwrap().success());
        let paths = |all: &[(String, u32, String)]| {
            let paths = all.iter().map(|(path, ..)| path.clone());
            paths.collect::<Vec<_>>()
        };
        let now = things(&bench);
        assert_eq!(paths(&now), paths(&once), "round {round}");
        assert!(now == once, "round {round}");
    }
}
