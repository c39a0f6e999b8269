//! Runs a test in its own network namespace: the test program runs itself again, for that one test,
//! under `unshare --net`.

use std::fs;
use std::process::{Command, Output};

/// Set in the inner process: the network namespace of the outer one.
const OUTSIDE: &str = "ECS_INIT_TEST_OUTSIDE";
/// A list of what may be skipped; the word `namespaces` skips these tests.
const SKIP: &str = "ECS_INIT_TEST_SKIP";

/// A test function whose body runs in a new network namespace, with lo up.
macro_rules! in_namespace {
    ($(#[$meta:meta])* fn $name:ident() $body:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            let path = concat!(module_path!(), "::", stringify!($name));
            crate::namespace::run(path, || $body);
        }
    };
}
pub(crate) use in_namespace;

/// Runs `body` in a new namespace. `path` is the test's full name, including the crate's.
pub fn run(path: &str, body: fn()) {
    let (_, name) = path.split_once("::").expect("a name within the crate");
    let current = namespace();
    if let Some(outside) = std::env::var_os(OUTSIDE) {
        assert_ne!(*outside, *current, "not in a new network namespace");
        body();
        return;
    }
    if !is_root() {
        let skip = std::env::var(SKIP).unwrap_or_default();
        assert!(
            skip.split([',', ' ']).any(|word| word == "namespaces"),
            "{name} needs root for a network namespace; {SKIP}=namespaces skips it"
        );
        eprintln!("SKIPPED: {name}: not root");
        return;
    }
    let output = Command::new("unshare")
        .args(["--net", "sh", "-ec", "ip link set lo up; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().expect("the test program"))
        .args(single_test_arguments(name))
        .env(OUTSIDE, current)
        .output()
        .expect("run unshare (util-linux)");
    let text = text(&output);
    // Without this, a name that matches no test would pass.
    assert!(
        output.status.success() && text.contains("test result: ok. 1 passed"),
        "in the namespace:\n{text}"
    );
}

/// The arguments of a test program that run only this test, with its output.
pub fn single_test_arguments(name: &str) -> [&str; 4] {
    [name, "--exact", "--nocapture", "--test-threads=1"]
}

fn namespace() -> std::ffi::OsString {
    fs::read_link("/proc/thread-self/ns/net")
        .expect("/proc")
        .into_os_string()
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    status
        .lines()
        .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

fn text(output: &Output) -> String {
    let part = |bytes| String::from_utf8_lossy(bytes).into_owned();
    part(&output.stdout) + &part(&output.stderr)
}

/// Runs a script and returns its output. Panics with the output if a command in it fails.
pub fn sh(script: &str) -> String {
    try_sh(script).unwrap_or_else(|output| panic!("{script}\n{output}"))
}

/// Runs a script and returns its output; `Err` if a command in it failed.
pub fn try_sh(script: &str) -> Result<String, String> {
    let output = Command::new("sh")
        .args(["-ec", script])
        .output()
        .expect("run sh");
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).expect("UTF-8"))
    } else {
        Err(text(&output))
    }
}

/// Runs a script in another new namespace.
pub fn sh_in_new_namespace(script: &str) -> String {
    let output = Command::new("unshare")
        .args(["--net", "sh", "-ec", script])
        .output()
        .expect("run unshare");
    assert!(output.status.success(), "{script}\n{}", text(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}
