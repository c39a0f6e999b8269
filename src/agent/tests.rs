use std::path::Path;

use super::*;
use crate::testing::TempDir;

/// A Debian 12 as in the recording of the reference's own container.
fn debian() -> TempDir {
    let dir = TempDir::new("agent");
    for path in [
        "var/run",
        "var/log/ecs/exec",
        "var/lib/ecs/data",
        "etc/ecs",
        "var/cache/ecs",
        "sys/fs/cgroup",
        "etc/ssl/certs",
        "run/docker/plugins",
        "etc/docker/plugins",
        "usr/lib/docker/plugins",
        "proc/sys/net/ipv6",
        "usr/lib64",
        "lib64",
        "lib",
        "sbin",
        "etc/alternatives",
        "usr/sbin",
        "mnt/ecs/ebs",
    ] {
        std::fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    std::fs::create_dir_all(dir.path().join("usr/bin")).unwrap();
    for path in ["usr/bin/lsblk", "usr/bin/nsenter", "sbin/modinfo"] {
        std::fs::write(dir.path().join(path), "").unwrap();
    }
    std::fs::write(
        dir.path().join("etc/os-release"),
        "ID=debian\nVERSION_ID=\"12\"\n",
    )
    .unwrap();
    dir
}

fn planned(dir: &Path, environment: &[(&str, &str)]) -> Plan {
    let root = (
        "ECS_INIT_ROOT".to_owned(),
        dir.to_string_lossy().into_owned(),
    );
    let rest = environment
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let (config, warnings) = Config::load(std::iter::once(root).chain(rest));
    assert_eq!(warnings, [""; 0]);
    plan(&config, &Host::read(&config.root, paths(&config)))
}

fn binds(plan: &Plan) -> Vec<String> {
    let mut binds: Vec<_> = plan
        .container
        .host_config
        .mounts
        .iter()
        .map(|m| {
            let mode = if m.read_only { ":ro" } else { "" };
            format!("{}:{}{mode}", m.source, m.target)
        })
        .collect();
    binds.sort();
    binds
}

#[test]
fn the_container_of_the_reference_on_a_debian_12() {
    let dir = debian();
    let plan = planned(dir.path(), &[]);
    let mut expected = [
        "/var/run:/var/run",
        "/var/log/ecs:/log",
        "/var/lib/ecs/data:/data",
        "/etc/ecs:/etc/ecs",
        "/var/cache/ecs:/var/cache/ecs",
        "/sys/fs/cgroup:/sys/fs/cgroup",
        "/var/lib/ecs:/var/lib/ecs",
        "/var/log/ecs/exec:/log/exec",
        "/etc/ssl:/etc/ssl:ro",
        "/run/docker/plugins:/run/docker/plugins:ro",
        "/etc/docker/plugins:/etc/docker/plugins:ro",
        "/usr/lib/docker/plugins:/usr/lib/docker/plugins:ro",
        "/proc:/host/proc:ro",
        "/usr/lib:/usr/lib:ro",
        "/lib:/lib:ro",
        "/usr/lib64:/usr/lib64:ro",
        "/lib64:/lib64:ro",
        "/sbin:/host/sbin:ro",
        "/etc/alternatives:/etc/alternatives:ro",
        "/usr/sbin:/usr/sbin:ro",
        "/usr/bin/lsblk:/usr/bin/lsblk",
        "/usr/bin/nsenter:/usr/bin/nsenter",
        "/sbin/modinfo:/sbin/modinfo",
    ];
    expected.sort_unstable();
    assert_eq!(binds(&plan), expected);
    assert_eq!(
        plan.container.env,
        [
            "CREDENTIALS_FETCHER_HOST_DIR=/var/credentials-fetcher/socket/credentials_fetcher.sock",
            "ECS_AGENT_CONFIG_FILE_PATH=/etc/ecs/ecs.config.json",
            "ECS_AGENT_LABELS=",
            "ECS_AVAILABLE_LOGGING_DRIVERS=[\"json-file\",\"syslog\",\"awslogs\",\"fluentd\",\"none\"]",
            "ECS_DATADIR=/data",
            "ECS_DETAILED_OS_FAMILY=debian_12",
            "ECS_EBSTA_SUPPORTED=true",
            "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true",
            "ECS_ENABLE_TASK_ENI=true",
            "ECS_ENABLE_TASK_IAM_ROLE=true",
            "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=true",
            "ECS_LOGFILE=/log/ecs-agent.log",
            "ECS_UPDATES_ENABLED=true",
            "ECS_UPDATE_DOWNLOAD_DIR=/var/cache/ecs",
            "ECS_VOLUME_PLUGIN_CAPABILITIES=[\"efsAuth\"]",
            "SSL_CERT_DIR=/etc/ssl/certs",
        ]
    );
    let host_config = &plan.container.host_config;
    assert_eq!(host_config.cap_add, ["NET_ADMIN", "SYS_ADMIN"]);
    assert_eq!(
        host_config.log_config.as_ref().unwrap().config["max-size"],
        "16m"
    );
    assert_eq!(
        host_config.log_config.as_ref().unwrap().config["max-file"],
        "4"
    );
    assert!(host_config.init == Some(true) && !host_config.privileged);
    assert_eq!(
        plan.notes,
        ["/var/lib/ecs/deps is not there: the agent runs without ECS Exec"]
    );
}

#[test]
fn outside_ec2() {
    let dir = debian();
    std::fs::create_dir_all(dir.path().join("root/.aws")).unwrap();
    let plan = planned(dir.path(), &[("ECS_EXTERNAL", "true")]);
    assert!(plan.container.host_config.cap_add.is_empty());
    assert!(
        plan.container
            .env
            .contains(&"ECS_ENABLE_TASK_ENI=false".to_owned())
    );
    assert!(binds(&plan).contains(&"/root/.aws:/rotatingcreds:ro".to_owned()));
}

#[test]
fn a_named_socket_goes_where_the_agent_looks_for_it() {
    let dir = debian();
    std::fs::write(dir.path().join("run/d.sock"), "").unwrap();
    std::fs::create_dir_all(dir.path().join("run/systemd")).unwrap();
    let named = [("DOCKER_HOST", "unix:///run/d.sock")];
    let has = |plan: &Plan, bind: &str| binds(plan).contains(&bind.to_owned());
    let plan = planned(dir.path(), &named);
    assert!(has(&plan, "/run/d.sock:/var/run/docker.sock"));
    assert!(has(&plan, "/run/systemd:/run/systemd"));
    assert!(!has(&plan, "/var/run:/var/run"));
    let config = dir.path().join("etc/ecs/ecs.config");
    std::fs::write(config, "DOCKER_HOST=unix:///run/d.sock\n").unwrap();
    assert!(has(&planned(dir.path(), &[]), "/run/d.sock:/run/d.sock"));
}

#[test]
fn files_override_but_not_what_cannot_be() {
    let dir = debian();
    std::fs::remove_dir(dir.path().join("mnt/ecs/ebs")).unwrap();
    let config = dir.path().join("etc/ecs/ecs.config");
    let text = "ECS_CLUSTER=\"a b\"\nECS_LOGFILE=/log/x\nECS_EBSTA_SUPPORTED=true\n\
                ECS_AGENT_LABELS={\"k\":\"v\"}\n";
    std::fs::write(config, text).unwrap();
    let plan = planned(dir.path(), &[]);
    for line in [
        "ECS_CLUSTER=a b",
        "ECS_LOGFILE=/log/x",
        "ECS_EBSTA_SUPPORTED=false",
    ] {
        assert!(plan.container.env.contains(&line.to_owned()), "{line}");
    }
    assert_eq!(plan.container.labels["k"], "v");
}

#[test]
fn log_options_replace_the_sizes() {
    let dir = debian();
    let given = [
        ("ECS_LOG_DRIVER", "syslog"),
        ("ECS_LOG_OPTS", "{\"tag\":\"ecs\"}"),
    ];
    let log = planned(dir.path(), &given)
        .container
        .host_config
        .log_config
        .unwrap();
    assert_eq!((log.r#type.as_str(), log.config.len()), ("syslog", 1));
    let log = planned(dir.path(), &given[..1])
        .container
        .host_config
        .log_config
        .unwrap();
    assert!(log.config.is_empty());
}

#[test]
fn only_a_loaded_profile_is_named() {
    let dir = debian();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("sys/module/apparmor/parameters/enabled", "Y\n");
    let plan = planned(dir.path(), &[]);
    assert!(plan.container.host_config.security_opt.is_empty());
    assert!(plan.notes.iter().any(|n| n.contains("ecs-agent-default")));
    write(
        "sys/kernel/security/apparmor/profiles",
        "ecs-agent-default (enforce)\n",
    );
    let plan = planned(dir.path(), &[]);
    assert_eq!(
        plan.container.host_config.security_opt,
        ["apparmor:ecs-agent-default"]
    );
}
