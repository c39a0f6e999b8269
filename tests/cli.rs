//! The program as a user runs it: exit codes, output streams, the format of the log.

mod engine;

use std::fs;
use std::process::{Command, Output};

use ecs_init::testing::TempDir;

/// Runs the program in its own root, without a dockerd.
fn run(root: &TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ecs-init"))
        .args(arguments)
        .env_clear()
        .env("ECS_INIT_ROOT", root.path())
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .env("ECS_INIT_DOCKER_WAIT", "0")
        .envs(environment.iter().copied())
        .output()
        .expect("run ecs-init")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_and_version_print_to_stdout() {
    let root = TempDir::new("cli");
    for arguments in [
        &["--help"][..],
        &["help"],
        &["help", "verify"],
        &["run", "--help"],
        &["version"],
    ] {
        let done = run(&root, arguments, &[]);
        assert_eq!(done.status.code(), Some(0), "{arguments:?}");
        assert!(!done.stdout.is_empty(), "{arguments:?}");
        assert_eq!(text(&done.stderr), "", "{arguments:?}");
    }
}

#[test]
fn usage_error_exits_with_1_and_prints_the_commands_help() {
    let root = TempDir::new("cli");
    for (arguments, usage) in [
        (&[][..], "usage: ecs-init COMMAND"),
        (&["strat"], "usage: ecs-init COMMAND"),
        (&["start", "now"], "usage: ecs-init start\n"),
        (&["verify"], "usage: ecs-init verify TAR [SIG]\n"),
    ] {
        let done = run(&root, arguments, &[]);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}");
        assert!(text(&done.stderr).contains(usage), "{arguments:?}");
        assert_eq!(text(&done.stdout), "", "{arguments:?}");
    }
}

#[test]
fn failure_exits_with_255_and_one_error_line() {
    let root = TempDir::new("cli");
    for command in ["pre-start", "start", "stop", "reload-cache"] {
        let done = run(&root, &[command], &[]);
        assert_eq!(done.status.code(), Some(255), "{command}");
        let stderr = text(&done.stderr);
        let errors: Vec<_> = stderr
            .lines()
            .filter(|line| line.starts_with("level=error"))
            .collect();
        assert_eq!(errors.len(), 1, "{command}: {stderr}");
        assert!(errors[0].contains("/nonexistent/docker.sock"), "{stderr}");
    }
}

#[test]
fn invalid_config_lines_are_logged_and_ignored() {
    let root = TempDir::new("cli");
    fs::create_dir_all(root.path().join("etc/ecs")).unwrap();
    let config = "ECS_SKIP_LOCALHOST_TRAFFIC_FILTER=perhaps\nsecret nonsense\n";
    fs::write(root.path().join("etc/ecs/ecs.config"), config).unwrap();
    let done = run(&root, &["rules"], &[]);
    assert_eq!(done.status.code(), Some(0));
    let stderr = text(&done.stderr);
    assert!(stderr.contains("ecs.config:1: "), "{stderr}");
    assert!(stderr.contains("ecs.config:2: "), "{stderr}");
    assert!(!stderr.contains("secret"), "{stderr}");
    assert!(text(&done.stdout).contains("--ctstate"));
}

#[test]
fn log_is_logfmt_and_respects_the_level() {
    let root = TempDir::new("cli");
    let done = run(&root, &["rules"], &[("ECS_INIT_NONSENSE", "1")]);
    let stderr = text(&done.stderr);
    assert!(stderr.lines().count() >= 2, "{stderr}");
    for line in stderr.lines() {
        let rest = line.strip_prefix("level=warn time=").expect(line);
        let (time, message) = rest.split_once(" msg=\"").expect(line);
        assert!(time.len() == 20 && time.ends_with('Z'), "{line}");
        assert!(message.ends_with('"'), "{line}");
    }
    let quiet = run(&root, &["start"], &[("ECS_LOGLEVEL", "none")]);
    assert_eq!(quiet.status.code(), Some(255));
    assert_eq!(text(&quiet.stderr), "");
}

#[test]
fn verify_names_the_missing_file() {
    let root = TempDir::new("cli");
    let tar = root.path().join("a.tar");
    let tar = tar.to_str().unwrap();
    let done = run(&root, &["verify", tar], &[]);
    assert_eq!(done.status.code(), Some(255));
    assert!(text(&done.stderr).contains(tar));
    fs::write(tar, "not signed").unwrap();
    let done = run(&root, &["verify", tar], &[]);
    assert_eq!(done.status.code(), Some(255));
    assert!(text(&done.stderr).contains("a.tar.asc"));
}

/// Needs root, for the kernel's log; `ECS_INIT_TEST_SKIP=kmsg` skips it.
#[test]
fn log_goes_to_kmsg_without_stderr() {
    use std::io::{ErrorKind, Read, Seek, SeekFrom};
    use std::os::unix::fs::OpenOptionsExt;
    use std::time::Duration;

    let skip = std::env::var("ECS_INIT_TEST_SKIP").unwrap_or_default();
    if skip.split([',', ' ']).any(|word| word == "kmsg") {
        eprintln!("SKIPPED: ECS_INIT_TEST_SKIP names it");
        return;
    }
    let root = TempDir::new("cli");
    let sign = format!("ECS_INIT_NO_SUCH_{}", std::process::id());
    // Each read returns one record, or EAGAIN after the last one (kernel documentation, dev-kmsg).
    let mut kmsg = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg")
        .expect("read the kernel's log, as root");
    // An earlier process may have had the same ID.
    kmsg.seek(SeekFrom::End(0)).unwrap();
    let done = Command::new("sh")
        .args(["-c", "exec \"$0\" rules 2>&-"])
        .arg(env!("CARGO_BIN_EXE_ecs-init"))
        .env("ECS_INIT_ROOT", root.path())
        .env(&sign, "1")
        .status()
        .expect("run sh");
    assert_eq!(done.code(), Some(0));
    let mut record = [0; 8192];
    let mut found = Vec::new();
    let mut tries = 0;
    loop {
        match kmsg.read(&mut record) {
            Ok(length) => {
                let text = text(&record[..length]);
                if text.contains(&sign) {
                    found.push(text);
                }
            }
            // Records after one that is still being written are not readable yet.
            Err(e) if e.kind() == ErrorKind::WouldBlock && found.is_empty() && tries < 500 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            // Records were overwritten: continue with the oldest one.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => {}
            Err(e) => panic!("read the kernel's log: {e}"),
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    // 28: facility daemon, severity warning.
    assert!(found[0].starts_with("28,"), "{found:?}");
    assert!(found[0].contains("ecs-init: level=warn"), "{found:?}");
}

/// The other commands do not wait.
#[test]
fn pre_start_and_run_wait_for_files() {
    let root = TempDir::new("cli");
    let waits = [
        ("ECS_INIT_WAIT_FOR", "/run/late"),
        ("ECS_INIT_WAIT_FOR_TIMEOUT", "0"),
    ];
    for command in ["pre-start", "run", "start", "reload-cache"] {
        let done = run(&root, &[command], &waits);
        assert_eq!(done.status.code(), Some(255), "{command}");
        let waited = text(&done.stderr).contains("ECS_INIT_WAIT_FOR_TIMEOUT");
        assert_eq!(waited, ["pre-start", "run"].contains(&command), "{command}");
    }
}

/// Prevents a restart loop under an init that restarts the process whenever it exits.
#[test]
fn run_respawned_delays_its_exit_until_sigterm() {
    use std::io::{BufRead, BufReader};

    let root = TempDir::new("cli");
    let link = root.path().join("run");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ecs-init"), &link).unwrap();
    let mut child = Command::new(link)
        .env_clear()
        .env("ECS_INIT_ROOT", root.path())
        .env("ECS_INIT_WAIT_FOR", "/late")
        .env("ECS_INIT_WAIT_FOR_TIMEOUT", "0")
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("run ecs-init");
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let lines: Vec<_> = lines
        .map(Result::unwrap)
        .inspect(|line| {
            if line.contains("exiting in 15 s") {
                ecs_init::sys::signal::terminate(child.id()).unwrap();
            }
        })
        .collect();
    assert_eq!(child.wait().unwrap().code(), Some(255));
    let at = |text: &str| lines.iter().position(|line| line.contains(text));
    assert!(at("ECS_INIT_WAIT_FOR_TIMEOUT").unwrap() < at("exiting in 15 s").expect("a pause"));
}

/// Otherwise, with the tar as the source again, the registry's image would be started instead.
#[test]
fn registry_image_marks_the_cached_tar_for_reload() {
    use engine::{Engine, default_reply, response};

    let digest = format!("sha256:{}", "0".repeat(64));
    let image = format!(r#"{{"Id":"sha256:1","RepoDigests":["r.x/a@{digest}"]}}"#);
    let engine = Engine::start(move |call, _| match call {
        "image" => response(200, &image),
        _ if call.starts_with("create?fromImage") => response(200, ""),
        _ if call.starts_with("tag?") => response(201, ""),
        _ => default_reply(call),
    });
    for (before, after) in [("1", "2"), ("0", "0"), ("2", "2")] {
        let root = TempDir::new("cli");
        let cache = root.path().join("var/cache/ecs");
        fs::create_dir_all(&cache).unwrap();
        fs::write(cache.join("ecs-agent.tar"), "a tar").unwrap();
        fs::write(cache.join("state"), before).unwrap();
        let done = run(
            &root,
            &["reload-cache"],
            &[
                (
                    "DOCKER_HOST",
                    &format!("unix://{}", engine.socket().display()),
                ),
                ("ECS_INIT_DOCKER_WAIT", "600"),
                ("ECS_INIT_AGENT_SOURCE", "registry"),
                ("ECS_INIT_AGENT_IMAGE", &format!("r.x/a@{digest}")),
            ],
        );
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        assert_eq!(fs::read_to_string(cache.join("state")).unwrap(), after);
    }
    let named = engine
        .calls()
        .iter()
        .filter(|c| c.starts_with("tag?"))
        .count();
    assert_eq!(named, 3);
}

/// Another configuration could mean another image.
#[test]
fn start_and_reload_cache_need_the_config_from_s3() {
    let root = TempDir::new("cli");
    for command in ["start", "reload-cache"] {
        let done = run(&root, &[command], &[("ECS_INIT_CONFIG_S3", "s3://fleet/a")]);
        assert_eq!(done.status.code(), Some(255), "{command}");
        let stderr = text(&done.stderr);
        assert!(
            stderr.contains("s3://fleet/a was not fetched yet"),
            "{stderr}"
        );
    }
}

#[test]
fn config_warning_is_logged_once() {
    let root = TempDir::new("cli");
    // After the wait the configuration is read again.
    let slips = [("ECS_INIT_WAIT_FOR", "/"), ("ECS_EXTERNAL", "maybe")];
    let stderr = text(&run(&root, &["pre-start"], &slips).stderr);
    assert_eq!(stderr.matches("ECS_EXTERNAL").count(), 1, "{stderr}");
}
