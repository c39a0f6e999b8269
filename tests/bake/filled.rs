//! What lies in the tree, and what a host makes of it.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use ecs_init::bake::options::EcsConfig;
use ecs_init::bake::{Init, check};
use ecs_init::cache::Cache;
use ecs_init::cache::State;
use ecs_init::config::Config;
use ecs_init::fs::sha256;
use ecs_init::image;
use ecs_init::types::Architecture;
use ecs_init::types::Root;
use ecs_init::verify::TrustPolicy;

use super::bench::{Bench, agent, everything, paths, program};

#[test]
fn an_empty_tree_is_all_that_a_host_needs() {
    let mut bench = Bench::new();
    bench.options.ecs_config = EcsConfig::Lines(vec!["ECS_CLUSTER=c".into(), "B='x y'".into()]);
    let baked = bench.bake().unwrap();
    assert_eq!(
        (baked.init, baked.unchanged, baked.agent.as_deref()),
        (Init::None, false, Some("v1.99.0"))
    );
    let all = everything(bench.tree());
    let files: Vec<_> = all
        .iter()
        .filter(|(_, entry)| entry.mode & 0o170_000 != 0o040_000)
        .map(|(path, entry)| format!("{:o} {}", entry.mode & 0o7777, path.display()))
        .collect();
    assert_eq!(
        files,
        [
            "644 etc/ecs/ecs-init.keyring",
            "600 etc/ecs/ecs.config",
            "755 usr/libexec/amazon-ecs-init",
            "777 usr/sbin/ecs-init",
            "644 var/cache/ecs/ecs-agent-v1.99.0.tar",
            "644 var/cache/ecs/ecs-agent-v1.99.0.tar.asc",
            "777 var/cache/ecs/ecs-agent.tar",
            "644 var/cache/ecs/state",
            "644 var/lib/ecs/ecs-init.manifest.json",
            "644 var/lib/ecs/ecs.config",
        ]
    );
    for dir in ["var/lib/ecs/data", "var/log/ecs/exec", "mnt/ecs/ebs"] {
        assert_eq!(all[Path::new(dir)].mode, 0o040_755, "{dir}");
    }
    let text = fs::read_to_string(bench.at("etc/ecs/ecs.config")).unwrap();
    assert_eq!(text, "ECS_CLUSTER=c\nB='x y'\n");

    // As at the first boot, with nothing but the tree.
    let root = bench.tree().to_str().unwrap().to_owned();
    let (config, warnings) = Config::load([("ECS_INIT_ROOT".to_owned(), root)]);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(config.agent.environment["B"], "x y");
    let cache = Cache::new(&config.root);
    assert_eq!(cache.state(), State::ReloadNeeded);
    let tar = cache.open().unwrap();
    assert_eq!(tar.file().version(), Some("v1.99.0".parse().unwrap()));
    let trust = TrustPolicy::from_config(&config).unwrap();
    let verified = trust.verify_at(tar, SystemTime::now()).unwrap();
    image::check(verified, Architecture::Arm64).unwrap();
    let run = fs::read(bench.at("usr/sbin/ecs-init")).unwrap();
    assert!(run == program(Architecture::Arm64));
}

#[test]
fn what_was_baked_may_become_an_image_until_it_ran() {
    let mut bench = Bench::new();
    bench.options.ecs_config = EcsConfig::Lines(vec!["ECS_CLUSTER=c".into()]);
    bench.bake().unwrap();
    let found = || check::run(&Root::new(bench.tree()), SystemTime::now()).unwrap();
    assert_eq!(found(), []);
    bench.write("var/lib/ecs/data/agent.db", "state");
    assert_eq!(found().len(), 1);
}

#[test]
fn the_manifest_tells_the_truth_and_is_the_same_each_time() {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::Systemd);
    bench.bake().unwrap();
    let path = "var/lib/ecs/ecs-init.manifest.json";
    let bytes = fs::read(bench.at(path)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let signer = bench.cert.fingerprint().to_hex();
    assert_eq!(manifest["agent"]["certificate"], signer);
    assert_eq!(manifest["agent"]["version"], "v1.99.0");
    assert_eq!(manifest["agent"]["architecture"], "arm64");
    assert_eq!(manifest["agent"]["source"], "agent.tar");
    assert_eq!(manifest["init"], "systemd");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    let inside = |value: &serde_json::Value| bench.at(&value.as_str().unwrap()[1..]);
    let mut seen = 1; // The manifest itself.
    let files = manifest["files"].as_array().unwrap();
    for file in files.iter().chain([&manifest["agent"]]) {
        let content = fs::read(inside(&file["path"])).unwrap();
        assert_eq!(file["size"], content.len(), "{file}");
        assert_eq!(
            file["sha256"],
            sha256(&*content).unwrap().to_string(),
            "{file}"
        );
        seen += 1;
    }
    for link in manifest["links"].as_array().unwrap() {
        let target = fs::read_link(inside(&link["path"])).unwrap();
        assert_eq!(link["target"], target.to_str().unwrap());
        seen += 1;
    }
    for line in manifest["lines"].as_array().unwrap() {
        let text = fs::read_to_string(inside(&line["path"])).unwrap();
        assert!(text.lines().any(|l| line["line"] == l), "{line}");
        seen += 1;
    }
    // All but directories, and the user's empty configuration.
    let all = everything(bench.tree());
    let there = all.values().filter(|e| e.mode & 0o170_000 != 0o040_000);
    assert_eq!(seen + 1, there.count());

    bench.options.root = bench.dir.path().join("another");
    fs::create_dir(bench.tree()).unwrap();
    bench.bake().unwrap();
    assert!(fs::read(bench.at(path)).unwrap() == bytes);
}

#[test]
fn the_init_is_found_and_its_service_enabled() {
    let mut bench = Bench::new();
    bench.options.init = None;
    bench.refused("--init");
    bench.write("usr/lib/systemd/systemd", "");
    fs::create_dir_all(bench.at("usr/sbin")).unwrap();
    std::os::unix::fs::symlink("../lib/systemd/systemd", bench.at("usr/sbin/init")).unwrap();
    std::os::unix::fs::symlink("usr/sbin", bench.at("sbin")).unwrap();
    assert_eq!(bench.bake().unwrap().init, Init::Systemd);
    let enabled = bench.at("etc/systemd/system/multi-user.target.wants/ecs.service");
    let unit = fs::read_link(enabled).unwrap();
    assert!(
        bench
            .at(unit.strip_prefix("/").unwrap().to_str().unwrap())
            .is_file()
    );
}

/// Process 1 copies its run-image to /run and scans what lies there: nobody looks elsewhere.
#[test]
fn with_s6_linux_init_the_service_lies_in_its_run_image() {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::S6);
    bench.refused("/etc/s6/service, which does not exist");
    fs::create_dir_all(bench.at("etc/s6/service")).unwrap();
    assert_eq!(bench.bake().unwrap().init, Init::S6);
    let elsewhere = bench.at("etc/s6/service/ecs/run");
    assert!(elsewhere.is_symlink());

    let run_image = "etc/s6-linux-init/current/run-image/service";
    fs::create_dir_all(bench.at(run_image)).unwrap();
    assert_eq!(bench.bake().unwrap().init, Init::S6LinuxInit);
    let run = fs::read_link(bench.at(run_image).join("ecs/run")).unwrap();
    assert_eq!(run.to_str(), Some("/usr/libexec/amazon-ecs-init"));
    assert!(!elsewhere.is_symlink(), "it would be started twice");
    assert!(bench.bake().unwrap().unchanged);
}

#[test]
fn lines_join_what_an_inittab_has() {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::Busybox);
    bench.write("etc/inittab", "::sysinit:/etc/rc");
    bench.bake().unwrap();
    let text = fs::read_to_string(bench.at("etc/inittab")).unwrap();
    let rest = text.strip_prefix("::sysinit:/etc/rc\n").unwrap();
    assert_eq!(rest, include_str!("../../image-build/init/busybox/inittab"));
    assert!(
        rest.lines().count() > 1,
        "no two lines of one file in this test"
    );
    assert!(bench.bake().unwrap().unchanged);
}

/// BusyBox does what its `shutdown` lines say in order; after an unmount the agent cannot be
/// stopped.
#[test]
fn the_agent_is_stopped_before_what_is_done_at_shutdown() {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::Busybox);
    let (first, last) = (
        "#::shutdown:no\n::sysinit:/etc/rc\n",
        "::shutdown:/bin/umount -a\n",
    );
    bench.write("etc/inittab", &format!("{first}{last}"));
    bench.bake().unwrap();
    let text = fs::read_to_string(bench.at("etc/inittab")).unwrap();
    let ours = text.strip_prefix(first).and_then(|t| t.strip_suffix(last));
    let ours: Vec<_> = ours.unwrap_or_else(|| panic!("{text}")).lines().collect();
    assert_eq!(ours.len(), 2, "{text}");
    assert!(ours[1].contains("stop"), "{text}");
    assert!(bench.bake().unwrap().unchanged);
}

#[test]
fn a_configuration_that_is_there_is_the_users() {
    let mut bench = Bench::new();
    bench.write("etc/ecs/ecs.config", "ECS_CLUSTER=mine\n");
    bench.bake().unwrap();
    let text = || fs::read_to_string(bench.at("etc/ecs/ecs.config")).unwrap();
    assert_eq!(text(), "ECS_CLUSTER=mine\n");
    bench.options.ecs_config = EcsConfig::Lines(vec!["ECS_CLUSTER=other".into()]);
    bench.refused("--force");
    bench.options.ecs_config = EcsConfig::Lines(vec!["ECS_CLUSTER=mine".into()]);
    bench.bake().unwrap();
    bench.options.force = true;
    let file = bench.dir.path().join("settings");
    bench.options.ecs_config = EcsConfig::File(file.clone());
    fs::write(&file, "A=1\nsecret nonsense\n").unwrap();
    bench.refused("settings:2: ");
    fs::write(&file, "# mine\nA=1\n").unwrap();
    bench.bake().unwrap();
    let text = fs::read_to_string(bench.at("etc/ecs/ecs.config")).unwrap();
    assert_eq!(text, "# mine\nA=1\n");
}

/// A device is not replaced, and a pipe does not hold the bake up.
#[test]
fn a_configuration_that_is_no_file_is_left() {
    let mut bench = Bench::new();
    bench.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    fs::create_dir_all(bench.at("etc/ecs")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(bench.at("etc/ecs/ecs.config"))
        .status();
    assert!(made.unwrap().success());
    let error = bench.bake().unwrap_err().to_string();
    assert!(error.contains("ecs.config"), "{error}");
    assert!(bench.at("etc/ecs/ecs.config").exists());
}

#[test]
fn a_file_that_somebody_else_could_change_again_is_replaced() {
    use std::os::unix::fs::{MetadataExt, chown};

    let bench = Bench::new();
    bench.bake().unwrap();
    let program = bench.at("usr/libexec/amazon-ecs-init");
    chown(&program, Some(1234), None).unwrap();
    assert!(!bench.bake().unwrap().unchanged);
    assert_eq!(fs::metadata(&program).unwrap().uid(), 0);
    // What was verified must be what stays.
    let tar = bench.at("var/cache/ecs/ecs-agent-v1.99.0.tar");
    chown(&tar, Some(1234), None).unwrap();
    assert!(!bench.bake().unwrap().unchanged);
    assert_eq!(fs::metadata(&tar).unwrap().uid(), 0);
}

/// Our line alone would take the host's other services away.
#[test]
fn an_init_that_is_named_needs_its_inittab_too() {
    let mut bench = Bench::new();
    bench.options.init = Some(Init::Busybox);
    bench.refused("/etc/inittab");
}

#[test]
fn the_empty_configuration_of_a_package_gives_way() {
    let mut bench = Bench::new();
    bench.bake().unwrap();
    assert_eq!(fs::read(bench.at("etc/ecs/ecs.config")).unwrap(), b"");
    bench.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    bench.bake().unwrap();
    assert_eq!(fs::read(bench.at("etc/ecs/ecs.config")).unwrap(), b"A=1\n");
}

#[test]
fn what_is_for_another_machine_is_refused() {
    let mut bench = Bench::new();
    bench.options.architecture = Architecture::Amd64;
    bench.refused("ELF machine 183, not 62");
    let other = bench.dir.path().join("other");
    fs::write(&other, program(Architecture::Amd64)).unwrap();
    bench.options.binary = Some(other);
    bench.refused("arm64");
    let tar = agent(Architecture::Amd64, 1);
    let signature = super::bench::sign(&bench.cert, &tar);
    fs::write(bench.dir.path().join("agent.tar"), tar).unwrap();
    fs::write(bench.dir.path().join("agent.tar.asc"), signature).unwrap();
    bench.bake().unwrap();
    assert!(!paths(bench.tree()).is_empty());
}
