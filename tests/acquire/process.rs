//! Processes that are ended in the middle: by SIGKILL and by SIGTERM.

use std::env;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ecs_init::sys::signal::Stop;

use super::server::{Body, Object, Reply, Server};
use super::{Host, places};

/// Environment of a process that is to be ended: the mirror that it asks.
const MIRROR: &str = "TEST_ACQUIRE_MIRROR";
/// And its root, if that must outlive it.
const ROOT: &str = "TEST_ACQUIRE_ROOT";

fn child(test: &str, mirror: &str, root: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([&format!("process::{test}"), "--exact", "--nocapture"])
        .env(MIRROR, mirror)
        .env(ROOT, root)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for(mut what: impl FnMut() -> bool) {
    while !what() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_in_the_middle_of_a_download() {
    if let Ok(mirror) = env::var(MIRROR) {
        let mut host = Host::mirror(&mirror, &[]);
        host.cache =
            ecs_init::acquire::Cache::new(&ecs_init::root::Root::new(env::var(ROOT).unwrap()));
        let error = host.fetch().unwrap_err();
        panic!("not killed in the middle: {error}");
    }
    let server = Server::http(|request, _| {
        if request.is_tar() {
            let tar = Object::new(2_000_000, 1, "\"one\"");
            tar.get(request).body(Body::Stall(1_000_000))
        } else {
            Reply::new(200, "signature")
        }
    });
    let good = places::good();
    let host = Host::mirror(&good.url(), &[]);
    let mut child = child(
        "killed_in_the_middle_of_a_download",
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
    assert!(
        super::is_part(&left[0]),
        "nothing has a final name: {left:?}"
    );

    let download = host.fetch().unwrap();
    let names = host.names();
    assert_eq!(names.len(), 1, "what the dead left is gone: {names:?}");
    assert_ne!(names, left);
    drop(download);
    assert!(host.names().is_empty());
}

#[test]
fn sigterm_ends_the_wait_for_a_server() {
    if let Ok(mirror) = env::var(MIRROR) {
        // libtest runs this in a thread of its own, and the signal mask is a thread's: another
        // thread would die of the signal. So the mask must come from the parent; see below.
        let stop = Stop::install().unwrap();
        let mut host = Host::mirror(&mirror, &[]);
        host.manners.patience.first = Duration::from_secs(3600);
        host.manners.patience.longest = Duration::from_secs(3600);
        host.manners.patience.total = Duration::from_secs(86_400);
        let mut search = ecs_init::acquire::Search::new(
            &host.config,
            ecs_init::acquire::urls::Machine::Amd64,
            host.manners,
            Some(&stop),
            || panic!("no region is needed"),
        );
        let error = search.next(&host.cache).unwrap_err();
        assert!(error.is_stopped(), "{error}");
        assert!(host.names().is_empty());
        return;
    }
    let server = Server::http(|_, _| Reply::new(503, "later"));
    // `env --block-signal` starts the child with the signal blocked in every thread.
    let mut child = Command::new("env")
        .arg("--block-signal=TERM")
        .arg(env::current_exe().unwrap())
        .args(["process::sigterm_ends_the_wait_for_a_server", "--exact"])
        .env(MIRROR, server.url())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(|| !server.asked().is_empty());
    let killed = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().success());
}
