//! SIGKILL or SIGTERM during a download, in a child process.

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ecs_init::fetch::Search;
use ecs_init::retry::RetryLimit;
use ecs_init::sys::signal::Stop;
use ecs_init::types::Architecture;

use super::object::Object;
use super::server::{Body, Reply, Request, Server, bind};
use super::{Host, sources};

/// The variable with the mirror's URL, for the child process.
const MIRROR: &str = "TEST_FETCH_MIRROR";
/// The variable with the root, for a child process whose files the test reads afterwards.
const ROOT: &str = "TEST_FETCH_ROOT";

fn child(test: &str, mirror: &str, root: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([&format!("process::{test}"), "--exact", "--nocapture"])
        .env(MIRROR, mirror)
        .env(ROOT, root)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sends half a tar, then stalls.
fn stall(request: &Request, _: usize) -> Reply {
    if request.is_tar() {
        let tar = Object::new(2_000_000, 1, "\"one\"");
        tar.get(request).body(Body::Stall(1_000_000))
    } else {
        Reply::new(200, "signature")
    }
}

#[test]
fn killed_download_leaves_only_temp_file() {
    if let Ok(mirror) = env::var(MIRROR) {
        let mut host = Host::mirror(&mirror, &[]);
        host.cache =
            ecs_init::cache::Cache::new(&ecs_init::types::Root::new(env::var(ROOT).unwrap()));
        host.options.timeouts.read = Duration::from_secs(3600);
        let error = host.fetch().unwrap_err();
        panic!("not killed during the download: {error}");
    }
    let server = Server::http(stall);
    let good = sources::valid_server();
    let host = Host::mirror(&good.url(), &[]);
    let mut child = child(
        "killed_download_leaves_only_temp_file",
        &server.url(),
        host.dir.path().to_str().unwrap(),
    );
    let arrived = || {
        let entry = std::fs::read_dir(host.cache.dir()).ok()?.next()?.ok()?;
        Some(entry.metadata().ok()?.len())
    };
    wait_for(|| arrived().unwrap_or(0) == 1_000_000);
    child.kill().unwrap();
    child.wait().unwrap();
    let left = host.names();
    assert_eq!(left.len(), 1);
    assert!(super::is_temp(&left[0]), "only a temporary file: {left:?}");

    let download = host.fetch().unwrap();
    let names = host.names();
    assert_eq!(names.len(), 1, "the stale file is removed: {names:?}");
    assert_ne!(names, left);
    drop(download);
    assert!(host.names().is_empty());
}

/// Runs a search until SIGTERM, in the child process: it must return an interrupt and leave no
/// file.
fn search_until_stopped(mirror: &str) {
    let stop = Stop::install().unwrap();
    let mut host = Host::mirror(mirror, &[]);
    // Only the signal may end it.
    let hour = Duration::from_secs(3600);
    host.options.retry.first_pause = hour;
    host.options.retry.max_pause = hour;
    host.options.retry.limit = RetryLimit::Time(2 * hour);
    host.options.timeouts.head = hour;
    host.options.timeouts.read = hour;
    host.options.timeouts.connect = hour;
    let mut search = Search::new(
        &host.config,
        Architecture::Amd64,
        host.options,
        &stop,
        || panic!("the region is not needed"),
    );
    let error = search.find_tar(host.cache.dir()).unwrap_err();
    assert!(error.is_interrupted(), "{error}");
    assert!(host.names().is_empty());
}

/// Runs this test in a child process, sends SIGTERM at the given moment, and expects success.
fn run_until_sigterm(test: &str, mirror: &str, moment: impl FnMut() -> bool) {
    // Signal masks are per thread, and libtest has several threads: block it before they start.
    let mut child = Command::new("env")
        .arg("--block-signal=TERM")
        .arg(env::current_exe().unwrap())
        .args([&format!("process::{test}"), "--exact"])
        .env(MIRROR, mirror)
        .stdout(Stdio::null())
        .spawn()
        .expect("this test needs env(1) of coreutils 8.32 or later");
    wait_for(moment);
    ecs_init::sys::signal::terminate(child.id()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn sigterm_ends_retry_pause() {
    if let Ok(mirror) = env::var(MIRROR) {
        return search_until_stopped(&mirror);
    }
    let server = Server::http(|_, _| Reply::new(503, "later"));
    run_until_sigterm("sigterm_ends_retry_pause", &server.url(), || {
        !server.requests().is_empty()
    });
}

#[test]
fn sigterm_ends_wait_for_body() {
    if let Ok(mirror) = env::var(MIRROR) {
        return search_until_stopped(&mirror);
    }
    let server = Server::http(stall);
    run_until_sigterm("sigterm_ends_wait_for_body", &server.url(), || {
        !server.tar_requests().is_empty()
    });
}

#[test]
fn sigterm_ends_tls_handshake() {
    if let Ok(mirror) = env::var(MIRROR) {
        return search_until_stopped(&mirror);
    }
    let listener = bind();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let mut silent = None;
    run_until_sigterm("sigterm_ends_tls_handshake", &url, || {
        silent = listener.accept().ok();
        silent.is_some()
    });
}
