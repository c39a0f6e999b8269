//! What is in the tree, and what a host reads from it.

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

use super::fixture::{Fixture, agent, everything, paths, program};

#[test]
fn empty_tree_gets_agent_config_program_and_service() {
    let mut fixture = Fixture::new();
    fixture.options.ecs_config = EcsConfig::Lines(vec!["ECS_CLUSTER=c".into(), "B='x y'".into()]);
    let baked = fixture.bake().unwrap();
    assert_eq!(
        (baked.init, baked.unchanged, baked.agent.as_deref()),
        (Init::None, false, Some("v1.99.0"))
    );
    let all = everything(fixture.tree());
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
    let text = fs::read_to_string(fixture.at("etc/ecs/ecs.config")).unwrap();
    assert_eq!(text, "ECS_CLUSTER=c\nB='x y'\n");

    // As at the first boot.
    let root = fixture.tree().to_str().unwrap().to_owned();
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
    let run = fs::read(fixture.at("usr/sbin/ecs-init")).unwrap();
    assert!(run == program(Architecture::Arm64));
}

#[test]
fn baked_tree_has_no_findings_until_the_agent_ran() {
    let mut fixture = Fixture::new();
    fixture.options.ecs_config = EcsConfig::Lines(vec!["ECS_CLUSTER=c".into()]);
    fixture.bake().unwrap();
    let found = || check::run(&Root::new(fixture.tree()), SystemTime::now()).unwrap();
    assert_eq!(found(), []);
    fixture.write("var/lib/ecs/data/agent.db", "state");
    assert_eq!(found().len(), 1);
}

#[test]
fn manifest_is_accurate_and_reproducible() {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::Systemd);
    fixture.bake().unwrap();
    let path = "var/lib/ecs/ecs-init.manifest.json";
    let bytes = fs::read(fixture.at(path)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let signer = fixture.cert.fingerprint().to_hex();
    assert_eq!(manifest["agent"]["certificate"], signer);
    assert_eq!(manifest["agent"]["version"], "v1.99.0");
    assert_eq!(manifest["agent"]["architecture"], "arm64");
    assert_eq!(manifest["agent"]["source"], "agent.tar");
    assert_eq!(manifest["init"], "systemd");
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    let inside = |value: &serde_json::Value| fixture.at(&value.as_str().unwrap()[1..]);
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
    // All entries except directories and the user's empty configuration.
    let all = everything(fixture.tree());
    let there = all.values().filter(|e| e.mode & 0o170_000 != 0o040_000);
    assert_eq!(seen + 1, there.count());

    fixture.options.root = fixture.dir.path().join("another");
    fs::create_dir(fixture.tree()).unwrap();
    fixture.bake().unwrap();
    assert!(fs::read(fixture.at(path)).unwrap() == bytes);
}

#[test]
fn init_is_detected_and_its_service_enabled() {
    let mut fixture = Fixture::new();
    fixture.options.init = None;
    fixture.expect_refused("--init");
    fixture.write("usr/lib/systemd/systemd", "");
    fs::create_dir_all(fixture.at("usr/sbin")).unwrap();
    std::os::unix::fs::symlink("../lib/systemd/systemd", fixture.at("usr/sbin/init")).unwrap();
    std::os::unix::fs::symlink("usr/sbin", fixture.at("sbin")).unwrap();
    assert_eq!(fixture.bake().unwrap().init, Init::Systemd);
    let enabled = fixture.at("etc/systemd/system/multi-user.target.wants/ecs.service");
    let unit = fs::read_link(enabled).unwrap();
    assert!(
        fixture
            .at(unit.strip_prefix("/").unwrap().to_str().unwrap())
            .is_file()
    );
}

/// Process 1 copies its run-image to /run and scans only that.
#[test]
fn s6_linux_init_service_is_in_its_run_image() {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::S6);
    fixture.expect_refused("/etc/s6/service, which does not exist");
    fs::create_dir_all(fixture.at("etc/s6/service")).unwrap();
    assert_eq!(fixture.bake().unwrap().init, Init::S6);
    let elsewhere = fixture.at("etc/s6/service/ecs/run");
    assert!(elsewhere.is_symlink());

    let run_image = "etc/s6-linux-init/current/run-image/service";
    fs::create_dir_all(fixture.at(run_image)).unwrap();
    assert_eq!(fixture.bake().unwrap().init, Init::S6LinuxInit);
    let run = fs::read_link(fixture.at(run_image).join("ecs/run")).unwrap();
    assert_eq!(run.to_str(), Some("/usr/libexec/amazon-ecs-init"));
    assert!(!elsewhere.is_symlink(), "the agent would be started twice");
    assert!(fixture.bake().unwrap().unchanged);
}

#[test]
fn inittab_entries_are_appended() {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::Busybox);
    fixture.write("etc/inittab", "::sysinit:/etc/rc");
    fixture.bake().unwrap();
    let text = fs::read_to_string(fixture.at("etc/inittab")).unwrap();
    let rest = text.strip_prefix("::sysinit:/etc/rc\n").unwrap();
    assert_eq!(rest, include_str!("../../image-build/init/busybox/inittab"));
    assert!(
        rest.lines().count() > 1,
        "no two lines of one file in this test"
    );
    assert!(fixture.bake().unwrap().unchanged);
}

/// BusyBox runs the `shutdown` entries in order; after an unmount the agent cannot be stopped.
#[test]
fn inittab_stop_entry_precedes_shutdown_entries() {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::Busybox);
    let (first, last) = (
        "#::shutdown:no\n::sysinit:/etc/rc\n",
        "::shutdown:/bin/umount -a\n",
    );
    fixture.write("etc/inittab", &format!("{first}{last}"));
    fixture.bake().unwrap();
    let text = fs::read_to_string(fixture.at("etc/inittab")).unwrap();
    let added = text.strip_prefix(first).and_then(|t| t.strip_suffix(last));
    let added: Vec<_> = added.unwrap_or_else(|| panic!("{text}")).lines().collect();
    assert_eq!(added.len(), 2, "{text}");
    assert!(added[1].contains("stop"), "{text}");
    assert!(fixture.bake().unwrap().unchanged);
}

#[test]
fn existing_config_needs_force() {
    let mut fixture = Fixture::new();
    fixture.write("etc/ecs/ecs.config", "ECS_CLUSTER=mine\n");
    fixture.bake().unwrap();
    let text = || fs::read_to_string(fixture.at("etc/ecs/ecs.config")).unwrap();
    assert_eq!(text(), "ECS_CLUSTER=mine\n");
    fixture.options.ecs_config = EcsConfig::Lines(vec!["ECS_CLUSTER=other".into()]);
    fixture.expect_refused("--force");
    fixture.options.ecs_config = EcsConfig::Lines(vec!["ECS_CLUSTER=mine".into()]);
    fixture.bake().unwrap();
    fixture.options.force = true;
    let file = fixture.dir.path().join("settings");
    fixture.options.ecs_config = EcsConfig::File(file.clone());
    fs::write(&file, "A=1\nsecret nonsense\n").unwrap();
    fixture.expect_refused("settings:2: ");
    fs::write(&file, "# mine\nA=1\n").unwrap();
    fixture.bake().unwrap();
    let text = fs::read_to_string(fixture.at("etc/ecs/ecs.config")).unwrap();
    assert_eq!(text, "# mine\nA=1\n");
}

/// A device is not replaced, and a pipe does not block the bake.
#[test]
fn config_that_is_a_pipe_is_kept() {
    let mut fixture = Fixture::new();
    fixture.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    fs::create_dir_all(fixture.at("etc/ecs")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(fixture.at("etc/ecs/ecs.config"))
        .status();
    assert!(made.unwrap().success());
    let error = fixture.bake().unwrap_err().to_string();
    assert!(error.contains("ecs.config"), "{error}");
    assert!(fixture.at("etc/ecs/ecs.config").exists());
}

#[test]
fn file_of_untrusted_owner_is_replaced() {
    use std::os::unix::fs::{MetadataExt, chown};

    let fixture = Fixture::new();
    fixture.bake().unwrap();
    let program = fixture.at("usr/libexec/amazon-ecs-init");
    chown(&program, Some(1234), None).unwrap();
    assert!(!fixture.bake().unwrap().unchanged);
    assert_eq!(fs::metadata(&program).unwrap().uid(), 0);
    let tar = fixture.at("var/cache/ecs/ecs-agent-v1.99.0.tar");
    chown(&tar, Some(1234), None).unwrap();
    assert!(!fixture.bake().unwrap().unchanged);
    assert_eq!(fs::metadata(&tar).unwrap().uid(), 0);
}

/// A new inittab would lack the system's own entries.
#[test]
fn named_init_needs_its_inittab() {
    let mut fixture = Fixture::new();
    fixture.options.init = Some(Init::Busybox);
    fixture.expect_refused("/etc/inittab");
}

#[test]
fn empty_config_of_a_package_is_replaced() {
    let mut fixture = Fixture::new();
    fixture.bake().unwrap();
    assert_eq!(fs::read(fixture.at("etc/ecs/ecs.config")).unwrap(), b"");
    fixture.options.ecs_config = EcsConfig::Lines(vec!["A=1".into()]);
    fixture.bake().unwrap();
    assert_eq!(
        fs::read(fixture.at("etc/ecs/ecs.config")).unwrap(),
        b"A=1\n"
    );
}

#[test]
fn binary_or_tar_of_another_architecture_is_refused() {
    let mut fixture = Fixture::new();
    fixture.options.architecture = Architecture::Amd64;
    fixture.expect_refused("ELF machine 183, not 62");
    let other = fixture.dir.path().join("other");
    fs::write(&other, program(Architecture::Amd64)).unwrap();
    fixture.options.binary = Some(other);
    fixture.expect_refused("arm64");
    let tar = agent(Architecture::Amd64, 1);
    let signature = super::fixture::sign(&fixture.cert, &tar);
    fs::write(fixture.dir.path().join("agent.tar"), tar).unwrap();
    fs::write(fixture.dir.path().join("agent.tar.asc"), signature).unwrap();
    fixture.bake().unwrap();
    assert!(!paths(fixture.tree()).is_empty());
}
