//! pre-start on an instance whose image contains the agent's state of another instance.

use std::process::Command;

use super::server::{Reply, Request, Server};
use super::{AGENT_DB, Image, OTHER_INSTANCE};

const THIS_INSTANCE: &str = "i-0aaaaaaaaaaaaaaaa";

fn service(id: &'static str) -> Server {
    Server::http(move |request: &Request, _| match request.path.as_str() {
        "/latest/api/token" => Reply::new(200, "TOKEN"),
        "/latest/meta-data/instance-id"
            if request.header("x-aws-ec2-metadata-token") == Some("TOKEN") =>
        {
            Reply::new(200, id)
        }
        _ => Reply::new(404, ""),
    })
}

/// The log of pre-start, which checks the state and then fails without a dockerd.
fn log(image: &Image, server: &Server, environment: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ecs-init"))
        .arg("pre-start")
        .env_clear()
        .env("ECS_INIT_ROOT", image.root.dir())
        .env("ECS_INIT_DOCKER_WAIT", "0")
        .env("ECS_LOGLEVEL", "debug")
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url())
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(255), "{log}");
    assert!(log.contains("/nowhere/docker.sock"), "{log}");
    log
}

fn with_state() -> Image {
    let image = Image::empty();
    image.write("/var/lib/ecs/data/agent.db", AGENT_DB);
    image
}

#[test]
fn state_of_another_instance_is_one_error() {
    let (image, server) = (with_state(), service(THIS_INSTANCE));
    let log = log(&image, &server, &[]);
    let errors: Vec<_> = log.lines().filter(|l| l.contains(OTHER_INSTANCE)).collect();
    assert_eq!(errors.len(), 1, "{log}");
    for words in ["level=error", THIS_INSTANCE, "delete", "bake --check"] {
        assert!(errors[0].contains(words), "{words}: {}", errors[0]);
    }
}

#[test]
fn state_of_the_same_instance_logs_no_error() {
    let (image, server) = (with_state(), service(OTHER_INSTANCE));
    let log = log(&image, &server, &[]);
    assert!(!log.contains(OTHER_INSTANCE), "{log}");
    // A token and the ID; more requests only after a timeout on a busy machine.
    let requests = server.requests().len();
    assert!(
        requests == 2 || log.contains("; again in "),
        "{requests}: {log}"
    );
}

#[test]
fn imds_is_not_requested_without_state_or_outside_ec2() {
    let server = service(THIS_INSTANCE);
    log(&Image::empty(), &server, &[]);
    for name in ["ECS_EXTERNAL", "AWS_EC2_METADATA_DISABLED"] {
        let log = log(&with_state(), &server, &[(name, "true")]);
        assert!(!log.contains(OTHER_INSTANCE), "{name}: {log}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn unknown_instance_id_logs_no_error() {
    let image = with_state();
    let refuses = Server::http(|_, _| Reply::new(403, ""));
    let text = log(&image, &refuses, &[]);
    assert!(
        !text.contains(OTHER_INSTANCE) && text.contains("this instance's ID"),
        "{text}"
    );
    // An invalid answer is not logged.
    let text = log(&image, &service("<html>\nlevel=critical"), &[]);
    assert!(!text.contains("html"), "{text}");
    image.write("/var/lib/ecs/data/agent.db", "junk");
    let text = log(&image, &refuses, &[]);
    let line = text
        .lines()
        .find(|l| l.contains("agent.db"))
        .unwrap_or_default();
    assert!(line.contains("level=debug"), "{text}");
}
