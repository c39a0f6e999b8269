//! The command: its exit code and its output. It changes nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use super::{AGENT_DB, Image};

fn run(program: &Path, image: &Image, user: Option<u32>) -> Output {
    let mut command = Command::new(program);
    command.args(["bake", "--check"]).arg(image.root.dir());
    command.env_clear().env("ECS_INIT_ROOT", "/nowhere");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    command.output().unwrap()
}

fn ecs_init() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ecs-init"))
}

/// Path, mode, size and change time of every entry.
fn list_entries(directory: &Path, found: &mut Vec<(String, u32, u64, i64, i64)>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let (path, m) = (entry.path(), entry.metadata().unwrap());
        let name = path.to_string_lossy().into_owned();
        found.push((name, m.mode(), m.size(), m.ctime(), m.ctime_nsec()));
        if m.is_dir() {
            list_entries(&path, found);
        }
    }
}

fn snapshot(image: &Image) -> Vec<(String, u32, u64, i64, i64)> {
    let mut found = Vec::new();
    list_entries(image.root.dir(), &mut found);
    found
}

#[test]
fn exit_0_without_findings_and_255_with_findings() {
    let image = Image::baked();
    let before = snapshot(&image);
    let output = run(ecs_init(), &image, None);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    let nothing = format!("no problems found in {}\n", image.root.dir().display());
    assert_eq!(stdout, nothing);
    assert_eq!(snapshot(&image), before);

    image.write("/var/lib/ecs/data/agent.db", AGENT_DB);
    image.write("/etc/ecs/ecs.config", "AWS_SESSION_TOKEN=hushhush");
    let before = snapshot(&image);
    let output = run(ecs_init(), &image, None);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(255), "{stdout}{stderr}");
    assert_eq!(stdout.lines().count(), 2, "{stdout}");
    assert!(stderr.contains(": 2\""), "{stderr}");
    assert!(!stdout.contains("hush") && !stderr.contains("hush"));
    assert_eq!(snapshot(&image), before);
}

/// Not as root, who can read everything.
#[test]
fn unreadable_files_are_findings() {
    let image = Image::empty();
    image.mode("/", 0o755);
    image.write("/etc/ecs/ecs.config", "");
    // Copied by another process: a child of this one could inherit the open file, and execve(2)
    // would then fail with ETXTBSY.
    let copied = Command::new("cp")
        .arg(ecs_init())
        .arg(image.at("/program"))
        .status();
    assert!(copied.unwrap().success());
    image.mode("/program", 0o755);
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let user = is_root.then_some(65534);
    for (path, hidden, shown) in [
        ("/etc/ecs/ecs.config", 0, 0o644),
        ("/etc/ecs", 0o711, 0o755),
    ] {
        image.mode(path, hidden);
        let output = run(&image.at("/program"), &image, user);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(255), "{stdout}");
        let words = format!("{}: cannot be read", image.at(path).display());
        assert!(stdout.contains(&words), "{stdout}");
        image.mode(path, shown);
        let output = run(&image.at("/program"), &image, user);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}
