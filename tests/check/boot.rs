//! pre-start on an instance that was made from another one's image.

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

/// What pre-start logs. There is no dockerd, at which it ends: after the line, if there is one.
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
fn anothers_state_gets_one_loud_line() {
    let (image, server) = (with_state(), service(THIS_INSTANCE));
    let log = log(&image, &server, &[]);
    let loud: Vec<_> = log.lines().filter(|l| l.contains(OTHER_INSTANCE)).collect();
    assert_eq!(loud.len(), 1, "{log}");
    for words in ["level=error", THIS_INSTANCE, "delete", "bake --check"] {
        assert!(loud[0].contains(words), "{words}: {}", loud[0]);
    }
}

#[test]
fn an_instances_own_state_gets_none() {
    let (image, server) = (with_state(), service(OTHER_INSTANCE));
    let log = log(&image, &server, &[]);
    assert!(!log.contains(OTHER_INSTANCE), "{log}");
    // A token and the ID; more often only where a busy machine let one of them run out of time.
    let asked = server.requests().len();
    assert!(asked == 2 || log.contains("; again in "), "{asked}: {log}");
}

#[test]
fn nobody_is_asked_without_state_or_outside_of_ec2() {
    let server = service(THIS_INSTANCE);
    log(&Image::empty(), &server, &[]);
    for name in ["ECS_EXTERNAL", "AWS_EC2_METADATA_DISABLED"] {
        let log = log(&with_state(), &server, &[(name, "true")]);
        assert!(!log.contains(OTHER_INSTANCE), "{name}: {log}");
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn what_cannot_be_told_is_not_said_aloud() {
    let image = with_state();
    let refuses = Server::http(|_, _| Reply::new(403, ""));
    let said = log(&image, &refuses, &[]);
    assert!(
        !said.contains(OTHER_INSTANCE) && said.contains("this instance's ID"),
        "{said}"
    );
    // Nor is whatever somebody else answers.
    let said = log(&image, &service("<html>\nlevel=critical"), &[]);
    assert!(!said.contains("html"), "{said}");
    image.write("/var/lib/ecs/data/agent.db", "junk");
    let said = log(&image, &refuses, &[]);
    let line = said
        .lines()
        .find(|l| l.contains("agent.db"))
        .unwrap_or_default();
    assert!(line.contains("level=debug"), "{said}");
}
