//! The client with a real dockerd.

mod dockerd;

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use dockerd::{Dockerd, IMAGE, archive, load, spec};
use ecs_init::docker::{ApiError, Disconnected};
use ecs_init::error::Kind;
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;

/// The HTTP status of a failed call.
fn status<T: std::fmt::Debug>(result: ecs_init::error::Result<T>) -> u16 {
    let error = result.unwrap_err();
    match error.find::<ApiError>() {
        Some(e) => e.status,
        None => panic!("no ApiError: {error}"),
    }
}

#[test]
fn container_create_start_wait_logs_remove() {
    if !dockerd::available() {
        return;
    }
    let dockerd = Dockerd::start("");
    let docker = dockerd.connect(&Stop::never());
    docker.ping().unwrap();
    let data = TempDir::new("data");
    let spec = |script: &str| spec(script, data.path());

    assert_eq!(docker.image(IMAGE).unwrap(), None);
    assert_eq!(docker.container("ecs-agent").unwrap(), None);
    let missing = docker.create_container("ecs-agent", &spec("true"));
    assert_eq!(status(missing), 404);
    docker.remove_container("ecs-agent").unwrap();
    docker.stop_container("ecs-agent", Duration::ZERO).unwrap();
    // dockerd runs with --bridge=none.
    assert_eq!(docker.default_bridge().unwrap(), None);

    let tar = archive();
    let messages = docker.load_image(&mut tar.as_slice(), tar.len() as u64);
    assert_eq!(messages.unwrap(), [format!("Loaded image: {IMAGE}")]);
    let image = docker.image(IMAGE).unwrap().expect("it was loaded");
    assert_eq!(image.repo_tags, [IMAGE]);
    assert!(image.id.starts_with("sha256:") && image.architecture.is_empty());

    let script = "echo $WORD; echo >&2 to stderr; echo here > /data/word; exit 7";
    let created = docker.create_container("ecs-agent", &spec(script)).unwrap();
    let id = created.id.as_str();
    let taken = docker.create_container("ecs-agent", &spec(script));
    assert_eq!(status(taken), 409);
    let container = docker.container("ecs-agent").unwrap().unwrap();
    assert_eq!(
        (container.id.as_str(), container.image),
        (id, image.id),
        "found by its name"
    );
    assert!(!container.state.running);

    docker.start_container(id).unwrap();
    assert_eq!(docker.wait_container(id).unwrap(), 7);
    docker.stop_container(id, Duration::ZERO).unwrap();
    let state = docker.container(id).unwrap().unwrap().state;
    assert_eq!((state.running, state.exit_code), (false, 7));
    let log = docker.container_logs(id, 200).unwrap();
    let mut lines: Vec<_> = std::str::from_utf8(&log).unwrap().lines().collect();
    // The order of two pipes is undefined.
    lines.sort_unstable();
    assert_eq!(lines, ["from the spec", "to stderr"]);
    assert_eq!(
        std::fs::read_to_string(data.path().join("word")).unwrap(),
        "here\n"
    );
    docker.remove_container("ecs-agent").unwrap();
    assert_eq!(docker.container(id).unwrap(), None);
    assert_eq!(status(docker.wait_container(id)), 404);
}

#[test]
fn container_stop_and_forced_remove() {
    if !dockerd::available() {
        return;
    }
    let dockerd = Dockerd::start("");
    let (reader, mut writer) = UnixStream::pair().unwrap();
    let stop = Stop::from(OwnedFd::from(reader));
    let docker = dockerd.connect(&stop);
    load(&docker);
    let data = TempDir::new("data");
    let script = "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done";

    let id = docker
        .create_container("stopped", &spec(script, data.path()))
        .unwrap()
        .id;
    docker.start_container(&id).unwrap();
    docker.start_container(&id).unwrap();
    let waiting = {
        let (docker, id) = (docker.without_stop(), id.clone());
        thread::spawn(move || docker.wait_container(&id).unwrap())
    };
    // The script prints a line after it has set the trap.
    while docker.container_logs(&id, 1).unwrap() != b"up\n" {
        thread::sleep(Duration::from_millis(50));
    }
    docker.stop_container(&id, Duration::from_secs(60)).unwrap();
    assert_eq!(waiting.join().unwrap(), 9);

    docker.start_container(&id).unwrap();
    writer.write_all(b"!").unwrap();
    let error = docker.wait_container(&id).unwrap_err();
    assert!(error.is_interrupted(), "{error}");
    let docker = docker.without_stop();
    assert!(docker.container(&id).unwrap().unwrap().state.running);
    docker.remove_container(&id).unwrap();
    assert_eq!(docker.container(&id).unwrap(), None);
}

#[test]
fn rejected_archive_is_api_error() {
    if !dockerd::available() {
        return;
    }
    let dockerd = Dockerd::start("");
    let docker = dockerd.connect(&Stop::never());

    let junk = vec![b'x'; 3 << 20];
    let error = docker.load_image(&mut junk.as_slice(), junk.len() as u64);
    let error = error.unwrap_err();
    assert!(error.find::<ApiError>().is_some(), "{error}");

    let tar = archive();
    // The digest of the layer does not match the config.
    let mut altered = tar.clone();
    let at = tar.windows(5).position(|w| w == b"data/").unwrap();
    altered[at..at + 4].copy_from_slice(b"dato");
    let error = docker.load_image(&mut altered.as_slice(), tar.len() as u64);
    let error = error.unwrap_err();
    assert!(error.find::<ApiError>().is_some(), "{error}");

    let error = docker.load_image(&mut tar.as_slice(), tar.len() as u64 + 512);
    let error = error.unwrap_err();
    let source = error.find::<std::io::Error>().expect("the read error");
    assert_eq!(source.kind(), std::io::ErrorKind::UnexpectedEof, "{error}");
    assert_eq!(docker.image(IMAGE).unwrap(), None);
}

#[test]
fn connect_waits_for_dockerd_and_reconnects() {
    if !dockerd::available() {
        return;
    }
    let mut dockerd = Dockerd::not_started("");
    let socket = dockerd.socket();
    let waiting = thread::spawn(move || {
        ecs_init::docker::Docker::connect(&socket, Duration::from_secs(120), &Stop::never())
    });
    dockerd.run("start");
    let docker = waiting.join().unwrap().unwrap();
    assert!(docker.version().to_string().starts_with("1."));

    dockerd.run("KILL");
    let error = docker.ping().unwrap_err();
    assert!(error.find::<Disconnected>().is_some(), "{error}");
    let error = docker.reconnect_within(Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    dockerd.run("start");
    dockerd.connect(&Stop::never()).ping().unwrap();
    docker.reconnect().unwrap().ping().unwrap();
}
