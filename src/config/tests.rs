//! Precedence, defaults and warnings of a whole configuration.

use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::*;
use crate::error::Kind;

fn load(environment: &[(&str, &str)], etc: &str, var: &str) -> (Config, Vec<Warning>) {
    let dir = crate::testing::TempDir::new("config");
    for (path, text) in [("etc/ecs", etc), ("var/lib/ecs", var)] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("ecs.config"), text).unwrap();
    }
    let mut all = vec![(
        "ECS_INIT_ROOT".to_owned(),
        dir.path().to_string_lossy().into_owned(),
    )];
    all.extend(environment.iter().map(|(k, v)| ((*k).into(), (*v).into())));
    Config::load(all)
}

#[test]
fn environment_overrides_etc_overrides_var() {
    let (c, warnings) = load(
        &[("ECS_LOG_DRIVER", "syslog")],
        "ECS_LOG_DRIVER=gelf\nAWS_REGION=eu-west-1",
        "AWS_REGION=us-east-1\nECS_INIT_DOCKER_WAIT=7",
    );
    assert_eq!(c.agent.log_driver, "syslog");
    let region = c.region.unwrap();
    assert_eq!(*region, "eu-west-1");
    assert!(matches!(region.origin, Origin::File(ref p, 2) if p.ends_with("etc/ecs/ecs.config")));
    assert_eq!(c.docker_wait, Duration::from_secs(7));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn invalid_values_warn_with_file_and_line_and_the_rest_is_used() {
    let (c, warnings) = load(
        &[],
        "X=1\nECS_EXTERNAL=maybe\nECS_AGENT_LABELS={oops\nECS_INIT_MIROR=https://x\nnonsense",
        "",
    );
    assert!(!c.external);
    assert!(c.agent.labels.is_empty());
    let line = |origin: &Origin| match origin {
        Origin::File(path, line) if path.ends_with("etc/ecs/ecs.config") => *line,
        other => panic!("{other}"),
    };
    let found = |warning: &Warning| match warning {
        Warning::Value {
            origin, variable, ..
        } => (line(origin), (*variable).to_owned()),
        Warning::Misspelt { origin, variable } => (line(origin), variable.clone()),
        Warning::Line { error, .. } => (error.line, String::new()),
        Warning::File { .. } => panic!("{warning}"),
    };
    let mut found: Vec<_> = warnings.iter().map(found).collect();
    for warning in &warnings {
        let text = warning.to_string();
        let shows = |value| text.contains(value);
        assert!(
            !["maybe", "oops", "https", "nonsense"]
                .into_iter()
                .any(shows),
            "{text}"
        );
    }
    found.sort_unstable();
    let want = [
        (2, "ECS_EXTERNAL"),
        (3, "ECS_AGENT_LABELS"),
        (4, "ECS_INIT_MIROR"),
        (5, ""),
    ];
    assert_eq!(found, want.map(|(line, name)| (line, name.to_owned())));
}

#[test]
fn amazons_variables_are_read_from_environment_and_both_files() {
    type Predicate = fn(&Config) -> bool;
    let all: [(&str, &str, Predicate); 25] = [
        ("ECS_LOGLEVEL", "crit", |c| {
            c.log_level == LevelFilter::Error
        }),
        ("DOCKER_HOST", "unix:///d", |c| {
            c.docker_socket.ends_with("d")
        }),
        ("ECS_EXTERNAL", "true", |c| c.external),
        ("AWS_DEFAULT_REGION", "eu-x-1", |c| {
            c.region.as_deref().unwrap() == "eu-x-1"
        }),
        ("ECS_SKIP_LOCALHOST_TRAFFIC_FILTER", "T", |c| {
            c.network.skip_localhost_filter
        }),
        ("ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS", "1", |c| {
            c.network.allow_offhost_introspection
        }),
        ("ECS_AGENT_PID_NAMESPACE_HOST", "TRUE", |c| c.agent.pid_host),
        ("ECS_AGENT_RUN_PRIVILEGED", "true", |c| c.agent.privileged),
        ("ECS_AGENT_APPARMOR_PROFILE", "mine", |c| {
            c.agent.apparmor_profile == "mine"
        }),
        ("ECS_LOG_DRIVER", "journald", |c| {
            c.agent.log_driver == "journald"
        }),
        ("ECS_LOG_OPTS", "{\"a\":\"b\"}", |c| {
            c.agent.log_opts.as_ref().is_some_and(|o| o["a"] == "b")
        }),
        ("ECS_INIT_DOCKER_LOG_FILE_SIZE", "1m", |c| {
            c.agent.log_file_size == "1m"
        }),
        ("ECS_INIT_DOCKER_LOG_FILE_NUM", "2", |c| {
            c.agent.log_file_num == "2"
        }),
        ("ECS_GMSA_SUPPORTED", "true", |c| c.agent.gmsa),
        ("CREDENTIALS_FETCHER_HOST", "unix:///f", |c| {
            c.agent.credentials_fetcher.as_os_str() == "/f"
        }),
        ("ECS_ENABLE_GPU_SUPPORT", "true", |c| c.agent.gpu),
        ("ECS_AGENT_LABELS", "{\"a\":\"b\"}", |c| {
            c.agent.labels["a"] == "b"
        }),
        ("HTTP_PROXY", "p:1", |c| {
            c.web.http_proxy.as_deref().unwrap() == "p:1"
        }),
        ("HTTPS_PROXY", "p:1", |c| {
            c.web.https_proxy.as_deref().unwrap() == "p:1"
        }),
        ("NO_PROXY", "x", |c| {
            c.web.no_proxy.as_deref().unwrap() == "x"
        }),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true", |c| c.web.dualstack),
        ("AWS_USE_FIPS_ENDPOINT", "true", |c| c.web.fips),
        ("AWS_ENDPOINT_URL_S3", "https://s", |c| {
            c.web.s3_endpoint.is_some()
        }),
        ("AWS_CA_BUNDLE", "/ca", |c| c.web.ca_bundle.is_some()),
        ("AWS_EC2_METADATA_DISABLED", "true", |c| c.web.imds_disabled),
    ];
    let (default, _) = load(&[], "", "");
    for (name, value, is_set) in all {
        let line = format!("{name}={value}\n");
        for (config, warnings) in [
            load(&[(name, value)], "", ""),
            load(&[], &line, ""),
            load(&[], "", &line),
        ] {
            assert!(is_set(&config), "{name}");
            assert!(warnings.is_empty(), "{name}: {warnings:?}");
        }
    }
    assert_eq!(default.agent.apparmor_profile, "ecs-agent-default");
    assert_eq!(default.agent.log_driver, "json-file");
    let sizes = (&*default.agent.log_file_size, &*default.agent.log_file_num);
    assert_eq!(sizes, ("16m", "4"));
    assert_eq!(
        *default.docker_socket,
        PathBuf::from("/var/run/docker.sock")
    );
    assert!(!default.external && !default.agent.privileged && !default.agent.gpu);
}

#[test]
fn wait_for_is_a_list_and_relative_paths_warn() {
    let list = |text| load(&[("ECS_INIT_WAIT_FOR", text)], "", "");
    let (c, warnings) = list("/a, /b,,");
    assert_eq!(c.wait_for, [PathBuf::from("/a"), "/b".into()]);
    assert!(warnings.is_empty(), "{warnings:?}");
    let (c, warnings) = list("/a,b");
    assert_eq!(c.wait_for, [PathBuf::from("/a"), "b".into()]);
    assert_eq!(warnings.len(), 1);
    assert!(matches!(
        warnings[0],
        Warning::Value {
            variable: "ECS_INIT_WAIT_FOR",
            ..
        }
    ));
    assert_eq!(c.check_wait_for().unwrap_err().kind(), Kind::InvalidInput);
}

#[test]
fn empty_value_is_not_set() {
    let (c, _) = load(&[("DOCKER_HOST", "")], "DOCKER_HOST=unix:///run/d.sock", "");
    assert_eq!(*c.docker_socket, PathBuf::from("/run/d.sock"));
    assert_eq!(c.agent_docker_socket, Some("/run/d.sock".into()));
}
