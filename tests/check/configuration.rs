//! The configuration: lines, modes, owners, credentials; the unit.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use super::{Image, NOTHING, expect_finding_for_file, expect_one_finding};

const CONFIG: &str = "/etc/ecs/ecs.config";

#[test]
fn invalid_config_value_or_ignored_config_line() {
    for (text, words) in [
        ("ECS_INIT_MIROR=x", "line 1: ECS_INIT_MIROR"),
        ("#\nECS_INIT_FIREWALL=x", "line 2: "),
        ("ECS_CLUSTER=\"open", "line 1: "),
        ("nonsense", "line 1: "),
        ("ECS_INIT_WAIT_FOR=etc/x", "line 1: "),
        ("ECS_INIT_CONFIG_S3=s3//typo", "line 1: "),
        ("ECS_INIT_AGENT_SOURCE=registry", "digest"),
    ] {
        expect_one_finding(
            CONFIG,
            "config",
            |image| {
                image.write(CONFIG, text);
                assert!(
                    image.lines()[0].contains(words),
                    "{text}: {:?}",
                    image.lines()
                );
            },
            |image| image.write(CONFIG, "ECS_CLUSTER=here"),
        );
    }
    // The digest may be in a configuration that is read at boot.
    for later in ["WAIT_FOR=/etc/ecs/ecs.config", "CONFIG_S3=s3://bucket/key"] {
        let image = Image::baked();
        let text = format!("ECS_INIT_AGENT_SOURCE=registry\nECS_INIT_{later}\n");
        image.write(CONFIG, text);
        assert_eq!(image.lines(), NOTHING);
    }
}

#[test]
fn masked_unit() {
    let unit = "/etc/systemd/system/ecs.service";
    let manifest = "/var/lib/ecs/ecs-init.manifest.json";
    let mask = |image: &Image| {
        image.directory("/etc/systemd/system");
        symlink("/dev/null", image.at(unit)).unwrap();
    };
    expect_one_finding(
        unit,
        "masked-unit",
        |image| {
            image.write(manifest, r#"{"init": "systemd"}"#);
            mask(image);
        },
        |image| image.remove(unit),
    );
    // Other init systems do not read it.
    let image = Image::baked();
    image.write(manifest, r#"{"init": "none"}"#);
    mask(&image);
    assert_eq!(image.lines(), NOTHING);
}

#[test]
fn config_writable_by_others() {
    for (path, mode) in [
        (CONFIG, 0o644),
        ("/etc/ecs/ecs-init.keyring", 0o644),
        ("/var/lib/ecs/ecs.config", 0o600),
        ("/etc/ecs", 0o755),
        ("/var/lib/ecs", 0o755),
    ] {
        for bit in [0o020, 0o002] {
            expect_one_finding(
                path,
                "writable",
                |image| image.mode(path, mode | bit),
                |image| image.mode(path, mode),
            );
        }
    }
}

/// A user who can write to the directory can replace the file.
#[test]
fn link_target_of_the_config_in_a_writable_directory() {
    for (file, directory) in [
        ("/srv/cfg/ecs.config", "/srv/cfg"),
        ("/etc/ecs/a/ecs.config", "/etc/ecs/a"),
    ] {
        expect_one_finding(
            directory,
            "writable",
            |image| {
                image.write(file, "ECS_CLUSTER=here\n");
                image.remove(CONFIG);
                symlink(file, image.at(CONFIG)).unwrap();
                image.mode(directory, 0o777);
            },
            |image| image.mode(directory, 0o755),
        );
    }
}

/// Needs root, for chown(2).
#[test]
fn config_of_another_owner() {
    expect_one_finding(
        CONFIG,
        "owner",
        |image| chown(image.at(CONFIG), Some(1234), None).expect("this test needs root"),
        |image| chown(image.at(CONFIG), Some(0), None).unwrap(),
    );
    // The whole tree belongs to an unprivileged builder.
    let image = Image::empty();
    image.write(CONFIG, "");
    for path in ["/", "/etc/ecs", CONFIG] {
        chown(image.at(path), Some(1234), None).unwrap();
    }
    assert_eq!(image.lines(), NOTHING);
    chown(image.at(CONFIG), Some(1235), None).unwrap();
    assert_eq!(image.rules(), ["owner"]);
    // The cached tar, too.
    let image = Image::baked();
    let status = std::process::Command::new("chown")
        .args(["-R", "1234"])
        .arg(image.root.dir())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(image.lines(), NOTHING);
}

#[test]
fn credentials_are_named_and_not_shown() {
    let clean = "ECS_CLUSTER=here\n";
    for file in [
        CONFIG,
        "/etc/ecs/ecs.config.bak",
        "/var/lib/ecs/ecs.config.old",
    ] {
        for (line, word, rule) in [
            (
                "AWS_SECRET_ACCESS_KEY=hushhush",
                "AWS_SECRET_ACCESS_KEY",
                "aws-key",
            ),
            (
                "ECS_ENGINE_AUTH_DATA={\"r\":\"hushhush\"}",
                "ECS_ENGINE_AUTH_DATA",
                "credential",
            ),
            (
                "https_proxy=http://u:hushhush@p:1",
                "https_proxy",
                "credential",
            ),
            ("# AKIAHUSHHUSHHUSHHUSH", "access key ID", "aws-key"),
        ] {
            expect_one_finding(
                file,
                rule,
                |image| {
                    image.write(file, format!("{clean}{line}\n"));
                    let lines = image.lines().concat();
                    assert!(lines.contains("line 2") && lines.contains(word), "{lines}");
                    assert!(!lines.to_lowercase().contains("hush"), "{lines}");
                },
                |image| image.write(file, clean),
            );
        }
    }
    let json = "/etc/ecs/ecs.config.json";
    for key in ["EngineAuthData", "engineAuthData"] {
        expect_one_finding(
            json,
            "credential",
            |image| image.write(json, format!(r#"{{"{key}":{{"r":{{}}}}}}"#)),
            |image| image.write(json, format!(r#"{{"{key}":{{}}}}"#)),
        );
    }
}

#[test]
fn credentials_in_subdirectories_and_drop_ins() {
    let drop_ins = "/etc/systemd/system/ecs.service.d";
    for path in ["/etc/ecs/a/b/c.env", &format!("{drop_ins}/keys.conf")] {
        let secret = "[Service]\nEnvironment=AWS_SECRET_ACCESS_KEY=x\n";
        expect_finding_for_file(path, path, secret, "aws-key");
    }
    // Neither a loop of links nor a link that disables a drop-in of the system is followed.
    let image = Image::baked();
    image.directory(drop_ins);
    symlink("/dev/null", image.at(drop_ins).join("x.conf")).unwrap();
    symlink("../ecs", image.at("/etc/ecs/again")).unwrap();
    image.write("/dev/null", "AWS_SECRET_ACCESS_KEY=x");
    assert_eq!(image.lines(), NOTHING);
}

#[test]
fn registry_logins_are_named_and_not_shown() {
    let default = "/root/.docker/config.json";
    let configured = "/etc/docker-of-root/config.json";
    let login = r#"{"auths": {"https://r.example:5000/v2/": {"auth": "YW5uOmh1c2g="}}}"#;
    for path in [default, configured] {
        expect_one_finding(
            path,
            "registry-login",
            |image| {
                let var = "ECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring\n";
                if path == configured {
                    let var = format!("{var}DOCKER_CONFIG=/etc/docker-of-root\n");
                    image.write("/var/lib/ecs/ecs.config", var);
                }
                image.write(path, login);
                let lines = image.lines().concat();
                assert!(lines.contains("r.example:5000"), "{lines}");
                assert!(
                    !lines.contains("YW5u") && !lines.contains("hush"),
                    "{lines}"
                );
            },
            |image| {
                let helper = r#"{"auths": {"r.example": {}}, "credsStore": "pass"}"#;
                image.write(path, helper);
            },
        );
    }
}

/// The check does not block on a pipe, and does not pass what it cannot read.
#[test]
fn config_that_is_not_a_regular_file_is_unreadable() {
    let path = "/etc/ecs/ecs.config.d";
    expect_one_finding(
        path,
        "unreadable",
        |image| {
            let status = std::process::Command::new("mkfifo")
                .arg(image.at(path))
                .status();
            assert!(status.unwrap().success());
        },
        |image| image.remove(path),
    );
    expect_one_finding(
        "/etc/ecs/loop",
        "unreadable",
        |image| symlink("loop", image.at("/etc/ecs/loop")).unwrap(),
        |image| fs::remove_file(image.at("/etc/ecs/loop")).unwrap(),
    );
}
