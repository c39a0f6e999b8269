//! Crash safety: after SIGKILL at any moment the cache has the old tar or the new one, with its own
//! signature. The tests kill real processes at every step and at random moments.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::*;
use crate::fs::remove_stale;
use crate::testing::TempDir;

/// How many steps are left before this process stops; negative: no limit.
static STEPS_LEFT: AtomicI64 = AtomicI64::new(-1);

/// Called after each step of [`Cache::replace_tar`]. At the last step, prints a line and waits for
/// SIGKILL.
pub(super) fn stop_at_last_step() {
    if STEPS_LEFT.load(Ordering::Relaxed) >= 0 && STEPS_LEFT.fetch_sub(1, Ordering::Relaxed) == 0 {
        println!("\nlast step");
        loop {
            std::thread::park();
        }
    }
}

/// Environment variables of the child process: the root, and the number of steps.
const ROOT: &str = "TEST_CACHE_ROOT";
const STEPS: &str = "TEST_CACHE_STEPS";

/// A tar of 256 KiB that repeats one letter, and its signature.
fn content(letter: u8) -> (Vec<u8>, Vec<u8>) {
    (vec![letter; 256 * 1024], vec![letter; 500])
}

fn digest(letter: u8) -> String {
    format!("{letter:02x}").repeat(8)
}

fn store(cache: &Cache, letter: u8) {
    let (tar, signature) = content(letter);
    fs::create_dir_all(cache.dir()).unwrap();
    remove_stale(cache.dir()).unwrap();
    let temp = TempFile::create(cache.dir()).unwrap();
    temp.file().write_all(&tar).unwrap();
    cache
        .replace_tar(&temp, Some(&signature), &digest(letter))
        .unwrap();
}

/// The letter of the cached tar, and whether it has a signature; `None` if the cache is empty.
/// Panics if tar and signature do not match.
fn cached(cache: &Cache) -> Option<(u8, bool)> {
    if fs::symlink_metadata(cache.dir().join(TAR)).is_err() {
        return None;
    }
    let found = cache.open().expect("the link's target exists");
    let mut tar = Vec::new();
    (&found.file().file).read_to_end(&mut tar).unwrap();
    let letter = tar[0];
    let (whole, signature) = content(letter);
    assert!(tar == whole, "the tar is complete");
    let signed = found.signature().is_some();
    if let Some(found) = found.signature() {
        assert!(found == signature, "the signature belongs to the tar");
    }
    Some((letter, signed))
}

/// States of the cache before the store.
const BEFORE: [&str; 5] = ["empty", "stored", "same", "plain file", "packaged"];

fn prepare(cache: &Cache, before: &str) -> Option<(u8, bool)> {
    let (tar, signature) = content(b'o');
    fs::create_dir_all(cache.dir()).unwrap();
    let here = |name: &str| cache.dir().join(name);
    match before {
        "stored" => store(cache, b'o'),
        "same" => store(cache, b'n'),
        "plain file" => {
            fs::write(here(TAR), tar).unwrap();
            fs::write(here("ecs-agent.tar.asc"), signature).unwrap();
        }
        "packaged" => {
            fs::write(here("ecs-agent-v1.99.0.tar"), tar).unwrap();
            symlink("ecs-agent-v1.99.0.tar", here(TAR)).unwrap();
        }
        _ => {}
    }
    cached(cache)
}

fn child(test: &str, root: &Path, steps: i64) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([&format!("cache::tests::{test}"), "--exact", "--nocapture"])
        .env(ROOT, root)
        .env(STEPS, steps.to_string())
        .stdout(Stdio::piped());
    command
}

#[test]
fn crash_at_every_step_keeps_old_or_new_tar() {
    if let Some(root) = env::var_os(ROOT) {
        STEPS_LEFT.store(env::var(STEPS).unwrap().parse().unwrap(), Ordering::Relaxed);
        store(&Cache::new(&Root::new(root)), b'n');
        return;
    }
    for before in BEFORE {
        for steps in 0.. {
            let dir = TempDir::new("steps");
            let cache = Cache::new(&Root::new(dir.path()));
            let old = prepare(&cache, before);
            let new = Some((b'n', true));

            let mut child = child(
                "crash_at_every_step_keeps_old_or_new_tar",
                dir.path(),
                steps,
            )
            .spawn()
            .unwrap();
            let output = BufReader::new(child.stdout.take().unwrap());
            let stopped = output.lines().any(|line| line.unwrap() == "last step");
            child.kill().unwrap();
            let status = child.wait().unwrap();
            let now = cached(&cache);
            if !stopped {
                assert!(status.success(), "the child's exit status");
                assert_eq!(now, new);
                assert!(steps >= 9, "only {steps} steps; is the hook called?");
                break;
            }
            assert!(now == old || now == new, "{before}, step {steps}: {now:?}");

            // Leftovers do not affect the next store, and are removed.
            store(&cache, b'x');
            assert_eq!(cached(&cache), Some((b'x', true)));
            let mut names: Vec<_> = fs::read_dir(cache.dir())
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != "ecs-agent-v1.99.0.tar")
                .collect();
            names.sort();
            let tar = format!("ecs-agent-{}.tar", digest(b'x'));
            assert_eq!(names, [tar.clone(), format!("{tar}.asc"), TAR.into()]);
        }
    }
}

#[test]
fn crash_at_random_keeps_old_or_new_tar() {
    if let Some(root) = env::var_os(ROOT) {
        let cache = Cache::new(&Root::new(root));
        println!("\nstoring");
        for letter in (b'a'..=b'z').cycle() {
            store(&cache, letter);
            cache.set_state(State::Cached).unwrap();
        }
    }
    let dir = TempDir::new("random");
    let cache = Cache::new(&Root::new(dir.path()));
    store(&cache, b'o');
    cache.set_state(State::ReloadNeeded).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let mut longest = 30_000;
    for round in 1..=400 {
        let mut child = child("crash_at_random_keeps_old_or_new_tar", dir.path(), -1)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while line != "storing\n" {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "the child ended");
        }
        let micros = crate::sys::random::random().unwrap() % longest;
        std::thread::sleep(Duration::from_micros(micros));
        child.kill().unwrap();
        child.wait().unwrap();
        let (letter, signed) = cached(&cache).expect("there is always a tar");
        assert!(signed);
        assert_ne!(cache.state(), State::Uncached);
        seen.insert(letter);
        if round >= 40 && seen.len() > 1 {
            break;
        }
        // On a slow disk a store takes longer than the children ran.
        if round % 40 == 0 {
            longest *= 3;
        }
    }
    assert!(seen.len() > 1, "no child completed a store: {seen:?}");
}

#[test]
fn state_file_format() {
    let dir = TempDir::new("state");
    let cache = Cache::new(&Root::new(dir.path()));
    let state = |text: &str| {
        fs::write(cache.dir().join("state"), text).unwrap();
        cache.state()
    };
    assert_eq!(cache.state(), State::Uncached);
    cache.set_state(State::Cached).unwrap();
    assert_eq!(state("1"), State::Uncached, "the tar does not exist");
    fs::write(cache.dir().join(TAR), "").unwrap();
    assert_eq!(state("1"), State::Uncached, "the tar is empty");
    fs::write(cache.dir().join(TAR), "tar").unwrap();
    for (text, expected) in [
        ("0", State::Uncached),
        ("1", State::Cached),
        ("2\n", State::ReloadNeeded),
        ("3", State::Uncached),
        ("", State::Uncached),
        ("junk", State::Uncached),
        ("11", State::Uncached),
    ] {
        assert_eq!(state(text), expected, "{text:?}");
    }
    for expected in [State::Cached, State::ReloadNeeded, State::Uncached] {
        cache.set_state(expected).unwrap();
        assert_eq!(cache.state(), expected);
    }
    fs::remove_file(cache.dir().join("state")).unwrap();
    assert_eq!(cache.state(), State::Uncached);
    fs::create_dir(cache.dir().join("state")).unwrap();
    assert_eq!(cache.state(), State::Uncached, "it cannot be read");
}

#[test]
fn packaged_tar_has_version_and_signature() {
    let dir = TempDir::new("package");
    let cache = Cache::new(&Root::new(dir.path()));
    fs::create_dir_all(cache.dir()).unwrap();
    let target = cache.dir().join("ecs-agent-v1.99.0.tar");
    fs::write(&target, "tar").unwrap();
    symlink("ecs-agent-v1.99.0.tar", cache.dir().join(TAR)).unwrap();
    let found = cache.open().unwrap();
    assert_eq!(found.signature(), None);
    let release = AgentVersion::Release("v1.99.0".into());
    assert_eq!(found.file().version(), Some(release));
    assert_eq!(found.source(), &TarSource::Cache(target.clone()));

    fs::write(signature_path(&target), "asc").unwrap();
    let found = cache.open().unwrap();
    assert_eq!(found.signature(), Some(&b"asc"[..]));
}

#[test]
fn absolute_link_stays_below_root() {
    let dir = TempDir::new("absolute");
    let cache = Cache::new(&Root::new(dir.path()));
    fs::create_dir_all(cache.dir()).unwrap();
    fs::write(cache.dir().join("ecs-agent-v1.2.3.tar"), "tar").unwrap();
    symlink("/var/cache/ecs/ecs-agent-v1.2.3.tar", cache.dir().join(TAR)).unwrap();
    assert!(cache.open().unwrap().file().version().is_some());
}
