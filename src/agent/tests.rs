use std::path::Path;

use super::*;
use crate::error::Kind;
use crate::testing::TempDir;

/// A Debian 12 as in the recording of Amazon's ecs-init (`tests/trees`).
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
    assert!(warnings.is_empty(), "{warnings:?}");
    plan(&config, &Host::read(&config.root, paths(&config))).unwrap()
}

fn has(plan: &Plan, line: &str) -> bool {
    plan.container.env.iter().any(|l| l == line)
}

fn noted(plan: &Plan, word: &str) -> bool {
    plan.warnings.iter().any(|note| note.contains(word))
}

fn write(dir: &TempDir, path: &str, text: &str) {
    let path = dir.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
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
fn configuration_files_override_defaults() {
    let dir = debian();
    let config = dir.path().join("etc/ecs/ecs.config");
    let text = "ECS_CLUSTER=\"a b\"\nECS_LOGFILE=/log/x\nECS_ENABLE_TASK_ENI=true\n\
                ECS_AGENT_LABELS={\"k\":\"v\"}\n";
    std::fs::write(config, text).unwrap();
    let plan = planned(dir.path(), &[]);
    for line in [
        "ECS_CLUSTER=a b",
        "ECS_LOGFILE=/log/x",
        "ECS_ENABLE_TASK_ENI=true",
    ] {
        assert!(plan.container.env.contains(&line.to_owned()), "{line}");
    }
    assert_eq!(plan.container.labels["k"], "v");
    let plan = planned(dir.path(), &[("ECS_EXTERNAL", "true")]);
    assert!(
        has(&plan, "ECS_ENABLE_TASK_ENI=false"),
        "no task ENI outside EC2"
    );
}

#[test]
fn log_options_replace_sizes() {
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
fn missing_capability_is_not_registered_unless_configured() {
    let dir = debian();
    std::fs::remove_dir(dir.path().join("mnt/ecs/ebs")).unwrap();
    write(&dir, "sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    let plan = planned(dir.path(), &[]);
    assert!(has(&plan, "ECS_EBSTA_SUPPORTED=false"));
    assert!(has(&plan, "ECS_ENABLE_TASK_CPU_MEM_LIMIT=false"));
    assert!(!plan.container.env.iter().any(|l| l.contains("efsAuth")));
    let warnings = ["efsAuth", "/mnt/ecs/ebs", "cgroup v2"];
    assert!(
        warnings.iter().all(|word| noted(&plan, word)),
        "{:?}",
        plan.warnings
    );

    let user = [
        ("ECS_EBSTA_SUPPORTED", "true"),
        ("ECS_ENABLE_TASK_CPU_MEM_LIMIT", "true"),
        ("ECS_VOLUME_PLUGIN_CAPABILITIES", "[\"efsAuth\"]"),
    ];
    let lines = user.map(|(key, value)| format!("{key}={value}"));
    let by_environment = planned(dir.path(), &user);
    write(&dir, "etc/ecs/ecs.config", &lines.join("\n"));
    let by_file = planned(dir.path(), &[]);
    for plan in [by_environment, by_file] {
        assert!(
            lines.iter().all(|l| has(&plan, l)),
            "{:?}",
            plan.container.env
        );
        assert!(
            !warnings.iter().any(|word| noted(&plan, word)),
            "{:?}",
            plan.warnings
        );
    }
}

#[test]
fn existing_capabilities_are_registered() {
    let dir = debian();
    write(&dir, "sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    write(&dir, "run/systemd/system/x", "");
    write(&dir, "run/docker/plugins/amazon-ecs-volume-plugin.sock", "");
    let plan = planned(dir.path(), &[]);
    assert!(has(&plan, "ECS_EBSTA_SUPPORTED=true"));
    assert!(has(&plan, "ECS_VOLUME_PLUGIN_CAPABILITIES=[\"efsAuth\"]"));
    assert!(
        !plan
            .container
            .env
            .iter()
            .any(|l| l.contains("CPU_MEM_LIMIT"))
    );
}

#[test]
fn gpu_support_only_with_gpus() {
    let dir = debian();
    let asked = [("ECS_ENABLE_GPU_SUPPORT", "true")];
    let plan = planned(dir.path(), &asked);
    assert!(!has(&plan, "ECS_ENABLE_GPU_SUPPORT=true") && noted(&plan, "NVIDIA"));
    write(&dir, "dev/nvidia0", "");
    write(&dir, "var/lib/ecs/gpu/nvidia-gpu-info.json", "{}");
    let plan = planned(dir.path(), &asked);
    assert!(has(&plan, "ECS_ENABLE_GPU_SUPPORT=true") && !noted(&plan, "NVIDIA"));
    let bind = "/var/lib/ecs/gpu:/var/lib/ecs/gpu".to_owned();
    assert!(binds(&plan).contains(&bind));
    assert!(!binds(&planned(dir.path(), &[])).contains(&bind));
}

#[test]
fn domain_joined_only_with_gmsa() {
    let dir = debian();
    write(&dir, "etc/krb5.keytab", "x");
    let line = "ECS_DOMAIN_JOINED_LINUX_INSTANCE=true";
    let gmsa = [("ECS_GMSA_SUPPORTED", "true")];
    assert!(!has(&planned(dir.path(), &gmsa), line));
    write(&dir, "etc/sssd/sssd.conf", "[domain/x]\nid_provider=ad\n");
    assert!(has(&planned(dir.path(), &gmsa), line));
    assert!(!has(&planned(dir.path(), &[]), line));
}

#[test]
fn apparmor_profile_loaded_missing_and_fallback() {
    let dir = debian();
    write(&dir, "sys/module/apparmor/parameters/enabled", "Y\n");
    let options = |plan: &Plan| plan.container.host_config.security_opt.clone();
    assert_eq!(
        options(&planned(dir.path(), &[])),
        [""; 0],
        "AppArmor is not used"
    );

    write(
        &dir,
        "sys/kernel/security/apparmor/profiles",
        "docker-default (enforce)\n",
    );
    let root = (
        "ECS_INIT_ROOT".to_owned(),
        dir.path().to_string_lossy().into_owned(),
    );
    let (config, _) = Config::load([root]);
    let error = plan(&config, &Host::read(&config.root, paths(&config))).unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    let allowed = planned(
        dir.path(),
        &[("ECS_INIT_APPARMOR_FALLBACK", "docker-default")],
    );
    assert!(options(&allowed).is_empty() && noted(&allowed, "ecs-agent-default"));

    write(
        &dir,
        "sys/kernel/security/apparmor/profiles",
        "ecs-agent-default (enforce)\n",
    );
    assert_eq!(
        options(&planned(dir.path(), &[])),
        ["apparmor:ecs-agent-default"]
    );
    let free = planned(dir.path(), &[("ECS_AGENT_APPARMOR_PROFILE", "unconfined")]);
    assert_eq!(options(&free), ["apparmor:unconfined"]);
}

#[test]
fn selinux_options_and_warning() {
    let dir = debian();
    let warned = |settings: &[(&str, &str)]| noted(&planned(dir.path(), settings), "SELinux");
    assert!(!warned(&[]));
    write(&dir, "sys/fs/selinux/enforce", "1");
    assert!(warned(&[]) && warned(&[("ECS_INIT_SELINUX", "relabel")]));
    assert!(!warned(&[("ECS_AGENT_RUN_PRIVILEGED", "true")]));
    let disabled = [("ECS_INIT_SELINUX", "disable")];
    assert!(!warned(&disabled));
    let host_config = planned(dir.path(), &disabled).container.host_config;
    assert_eq!(host_config.security_opt, ["label=disable"]);

    let relabel = planned(dir.path(), &[("ECS_INIT_SELINUX", "relabel")]);
    assert_eq!(
        relabel.container.host_config.binds,
        ["/var/log/ecs:/log:Z", "/var/lib/ecs/data:/data:Z"]
    );
    assert!(
        !binds(&relabel)
            .iter()
            .any(|b| b.ends_with(":/log") || b.ends_with(":/data"))
    );
    std::fs::remove_dir_all(dir.path().join("var/log/ecs")).unwrap();
    let relabel = planned(dir.path(), &[("ECS_INIT_SELINUX", "relabel")]);
    assert_eq!(
        relabel.container.host_config.binds,
        ["/var/lib/ecs/data:/data:Z"]
    );
}
