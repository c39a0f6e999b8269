//! The program itself, as a build calls it.

use std::fs;
use std::process::{Command, Output};

use ecs_init::types::Architecture;

use super::bench::{Bench, agent, paths, sign};

fn run(bench: &Bench, arguments: &[&str]) -> Output {
    let tree = bench.tree().to_str().unwrap();
    Command::new(env!("CARGO_BIN_EXE_ecs-init"))
        .args(["bake", "--root", tree, "--keyring", "keys"])
        .args(arguments)
        .current_dir(bench.dir.path())
        .env_clear()
        // The build machine's own files say nothing about the image.
        .env("ECS_INIT_ROOT", bench.dir.path().join("machine"))
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_tree_for_another_architecture() {
    let bench = Bench::new();
    let machine = bench.dir.path().join("machine/etc/ecs");
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
    let done = run(&bench, &other);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert!(
        stderr(&done).contains("agent: v1.99.0; architecture: arm64"),
        "{}",
        stderr(&done)
    );
    assert!(!stderr(&done).contains("bad line") && !stderr(&done).contains("level=warn"));
    let again = run(&bench, &other);
    assert!(
        stderr(&again).contains("already up to date"),
        "{}",
        stderr(&again)
    );
}

/// As each start will say it again; it is no reason to make no image.
#[test]
fn what_a_start_would_warn_of_is_said() {
    let bench = Bench::new();
    let line = "--arch arm64 --tar agent.tar --binary program --init none \
                 --config ECS_INIT_MIROR=x --config ECS_INIT_FIREWALL=none \
                 --config ECS_INIT_AGENT_SOURCE=registry";
    let done = run(&bench, &line.split_whitespace().collect::<Vec<_>>());
    let said = stderr(&done);
    assert_eq!(done.status.code(), Some(0), "{said}");
    let warned: Vec<_> = said.lines().filter(|l| l.contains("level=warn")).collect();
    assert_eq!(warned.len(), 3, "{said}");
    assert!(warned[0].contains("/etc/ecs/ecs.config:2: "), "{said}");
    assert!(warned[1].contains("ECS_INIT_MIROR"), "{said}");
    // A unit's drop-in may name it.
    assert!(warned[2].contains("has no digest"), "{said}");
}

/// systemd takes the administrator's unit.
#[test]
fn a_unit_in_place_of_ours_is_pointed_out() {
    let bench = Bench::new();
    bench.write("etc/systemd/system/ecs.service", "[Service]\n");
    let line = "--arch arm64 --tar agent.tar --binary program --init systemd";
    let done = run(&bench, &line.split_whitespace().collect::<Vec<_>>());
    let said = stderr(&done);
    assert_eq!(done.status.code(), Some(0), "{said}");
    let words = "etc/systemd/system/ecs.service overrides /usr/lib/systemd";
    assert!(said.contains(words), "{said}");
}

#[test]
fn the_program_puts_itself_there() {
    let mut bench = Bench::new();
    let here = Architecture::here();
    bench.options.architecture = here;
    let tar = agent(here, 1);
    fs::write(bench.dir.path().join("own.tar"), &tar).unwrap();
    fs::write(
        bench.dir.path().join("own.tar.asc"),
        sign(&bench.cert, &tar),
    )
    .unwrap();
    let done = run(&bench, &["--tar", "own.tar", "--init", "none"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let own = fs::read(env!("CARGO_BIN_EXE_ecs-init")).unwrap();
    assert!(fs::read(bench.at("usr/libexec/amazon-ecs-init")).unwrap() == own);
    // As the image's host will call it.
    let version = Command::new(bench.at("usr/sbin/ecs-init"))
        .arg("version")
        .output()
        .unwrap();
    assert!(version.status.success());
}

#[test]
fn what_fails_ends_with_255_and_a_wrong_order_with_1() {
    let bench = Bench::new();
    fs::write(bench.dir.path().join("agent.tar.asc"), "none").unwrap();
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
        let done = run(&bench, arguments);
        assert_eq!(done.status.code(), Some(code), "{}", stderr(&done));
        assert!(stderr(&done).contains(word), "{}", stderr(&done));
    }
    assert_eq!(paths(bench.tree()), [""; 0]);
}
