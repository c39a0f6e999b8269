//! What an agent leaves on the instance where it ran.

use ecs_init::host::ROTATING_CREDENTIALS;

use super::{
    AGENT_DB, Image, NOTHING, OTHER_INSTANCE, expect_finding_for_file, expect_one_finding,
};

#[test]
fn one_finding_per_leftover_of_the_agent() {
    let data = "/var/lib/ecs/data";
    expect_finding_for_file("/var/lib/ecs/data/agent.db", data, AGENT_DB, "agent-state");
    // Any file: the directory is the agent's.
    expect_finding_for_file("/var/lib/ecs/data/.x", data, "", "agent-state");
    let gpu = "/var/lib/ecs/gpu";
    expect_finding_for_file(
        "/var/lib/ecs/gpu/nvidia-gpu-info.json",
        gpu,
        "{}",
        "gpu-state",
    );
    expect_finding_for_file("/var/log/ecs/exec/deep/x.log", "/var/log/ecs", "", "logs");
    for (path, rule) in [
        ("/var/cache/ecs/desired-image", "desired-image"),
        ("/var/cache/ecs/.ecs-init-1.part", "partial-tar"),
        ("/var/lib/ecs/.ecs-init-1.part", "partial-config"),
        ("/var/lib/ecs/ecs.config.s3", "s3-config"),
    ] {
        expect_finding_for_file(path, path, "A=b", rule);
    }
}

#[test]
fn agent_state_names_the_instance() {
    let image = Image::baked();
    image.write("/var/lib/ecs/data/agent.db", AGENT_DB);
    let detail = format!("of instance {OTHER_INSTANCE}: agent.db");
    assert_eq!(image.findings()[0].detail, detail);
}

#[test]
fn aws_credentials_of_root() {
    let aws = |file: &str| format!("{ROTATING_CREDENTIALS}/{file}");
    let json = r#"{"Credentials": {"SecretAccessKey": "hushhush"}}"#;
    for (path, content) in [
        ("credentials", "[default]\n"),
        ("config", "[default]\nAWS_SESSION_TOKEN = x\n"),
        ("config", "aws_secret_access_key=x"),
        ("cli/cache/0.json", json),
    ] {
        let path = aws(path);
        expect_finding_for_file(&path, &path, content, "aws-credentials");
    }
    let image = Image::baked();
    let comment = "[default]\n# no aws_secret_access_key here\nregion = eu-west-1\n";
    image.write(&aws("config"), comment);
    image.write(&aws("credentials"), "\n");
    let model = r#"{"shapes": {"accessToken": {}}}"#;
    image.write(&aws("models/sso/service-2.json"), model);
    assert_eq!(image.lines(), NOTHING);
}

#[test]
fn long_lists_of_names_are_truncated() {
    let image = Image::baked();
    for n in 0..9 {
        image.write(&format!("/var/log/ecs/{n}.log"), "");
    }
    let lines = image.lines();
    assert!(
        lines.len() == 1 && lines[0].contains("0.log, 1.log, 2.log and 6 more"),
        "{lines:?}"
    );
}

#[test]
fn containers_of_the_agent_and_of_tasks() {
    let task = r#"{"Name":"/ecs-web-1","Config":{"Labels":{"com.amazonaws.ecs.task-arn":"arn"}}}"#;
    for json in [r#"{"Name":"/ecs-agent"}"#, task] {
        let directory = "/var/lib/docker/containers/0123";
        expect_one_finding(
            directory,
            "container",
            |image| image.write(&format!("{directory}/config.v2.json"), json),
            |image| image.remove(directory),
        );
    }
    let other = "/var/lib/docker/containers/01/config.v2.json";
    let image = Image::baked();
    image.write(other, r#"{"Name":"/another","Config":{"Labels":{}}}"#);
    assert_eq!(image.lines(), NOTHING);
    expect_finding_for_file(other, other, "{", "unreadable");
}
