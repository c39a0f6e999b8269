//! `ecs-init bake` as a program: log, exit codes, `--binary`.

use std::fs;
use std::process::{Command, Output};

use ecs_init::types::Architecture;

use super::fixture::{Fixture, agent, paths, sign};

fn run(fixture: &Fixture, arguments: &[&str]) -> Output {
    let tree = fixture.tree().to_str().unwrap();
    Command::new(env!("CARGO_BIN_EXE_ecs-init"))
        .args(["bake", "--root", tree, "--keyring", "keys"])
        .args(arguments)
        .current_dir(fixture.dir.path())
        .env_clear()
        // The files of the build machine are not read.
        .env("ECS_INIT_ROOT", fixture.dir.path().join("machine"))
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn tree_of_another_architecture() {
    let fixture = Fixture::new();
    let machine = fixture.dir.path().join("machine/etc/ecs");
    fs::create_dir_all(&machine).unwrap();
    fs::write(
        machine.join("ecs.config"),
        "ECS_INIT_AGENT_VERSION=v1.2.3\nbad line\n",
    )
    .unwrap();
    let other = [
        "--arch",
        "arm64",
        "--tar",
        "agent.tar",
        "--agent-version",
        "1.99.0",
        "--binary",
        "program",
        "--init",
        "none",
        "--config",
        "ECS_CLUSTER=c",
    ];
    let done = run(&fixture, &other);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert!(
        stderr(&done).contains("agent: v1.99.0; architecture: arm64"),
        "{}",
        stderr(&done)
    );
    assert!(!stderr(&done).contains("bad line") && !stderr(&done).contains("level=warn"));
    let again = run(&fixture, &other);
    assert!(
        stderr(&again).contains("already up to date"),
        "{}",
        stderr(&again)
    );
}

/// Warnings are not failures.
#[test]
fn config_warnings_are_logged() {
    let fixture = Fixture::new();
    let line = "--arch arm64 --tar agent.tar --binary program --init none \
                 --config ECS_INIT_MIROR=x --config ECS_INIT_FIREWALL=none \
                 --config ECS_INIT_AGENT_SOURCE=registry";
    let done = run(&fixture, &line.split_whitespace().collect::<Vec<_>>());
    let log = stderr(&done);
    assert_eq!(done.status.code(), Some(0), "{log}");
    let warned: Vec<_> = log.lines().filter(|l| l.contains("level=warn")).collect();
    assert_eq!(warned.len(), 3, "{log}");
    assert!(warned[0].contains("/etc/ecs/ecs.config:2: "), "{log}");
    assert!(warned[1].contains("ECS_INIT_MIROR"), "{log}");
    // Only a warning: a drop-in of the unit may set the digest.
    assert!(warned[2].contains("has no digest"), "{log}");
}

/// A unit in /etc overrides the one in /usr.
#[test]
fn overriding_unit_is_logged() {
    let fixture = Fixture::new();
    fixture.write("etc/systemd/system/ecs.service", "[Service]\n");
    let line = "--arch arm64 --tar agent.tar --binary program --init systemd";
    let done = run(&fixture, &line.split_whitespace().collect::<Vec<_>>());
    let log = stderr(&done);
    assert_eq!(done.status.code(), Some(0), "{log}");
    let words = "etc/systemd/system/ecs.service overrides /usr/lib/systemd";
    assert!(log.contains(words), "{log}");
}

#[test]
fn program_installs_itself() {
    let mut fixture = Fixture::new();
    let native = Architecture::native();
    fixture.options.architecture = native;
    let tar = agent(native, 1);
    fs::write(fixture.dir.path().join("own.tar"), &tar).unwrap();
    fs::write(
        fixture.dir.path().join("own.tar.asc"),
        sign(&fixture.cert, &tar),
    )
    .unwrap();
    let done = run(&fixture, &["--tar", "own.tar", "--init", "none"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let own = fs::read(env!("CARGO_BIN_EXE_ecs-init")).unwrap();
    assert!(fs::read(fixture.at("usr/libexec/amazon-ecs-init")).unwrap() == own);
    // The path in PATH of the image's host.
    let version = Command::new(fixture.at("usr/sbin/ecs-init"))
        .arg("version")
        .output()
        .unwrap();
    assert!(version.status.success());
}

#[test]
fn failure_exits_with_255_and_usage_error_with_1() {
    let fixture = Fixture::new();
    fs::write(fixture.dir.path().join("agent.tar.asc"), "none").unwrap();
    for (arguments, code, word) in [
        (
            &[
                "--tar",
                "agent.tar",
                "--init",
                "none",
                "--arch",
                "arm64",
                "--binary",
                "program",
            ][..],
            255,
            "agent.tar",
        ),
        (
            &["--tar", "absent.tar", "--init", "none"],
            255,
            "absent.tar",
        ),
        (&["--tar", "agent.tar", "--arch", "mips"], 1, "--arch mips"),
        (&["--init", "none"], 1, "--agent-version"),
    ] {
        let done = run(&fixture, arguments);
        assert_eq!(done.status.code(), Some(code), "{}", stderr(&done));
        assert!(stderr(&done).contains(word), "{}", stderr(&done));
    }
    assert_eq!(paths(fixture.tree()), [""; 0]);
}
