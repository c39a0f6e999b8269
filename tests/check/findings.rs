//! Each finding by itself, and its mended tree, in which there is none.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use ecs_init::bake::check;
use ecs_init::host::ROTATING_CREDENTIALS;
use ecs_init::types::Root;

use super::{AGENT_DB, Image, TAR, THEIRS, fixtures};

const NOTHING: [&str; 0] = [];

/// Spoils a baked image: there is one finding then, at `path` and with these words. Mends it: there
/// is none.
fn one(path: &str, words: &[&str], spoil: impl FnOnce(&Image), mend: impl FnOnce(&Image)) {
    let image = Image::baked();
    assert_eq!(image.lines(), NOTHING);
    spoil(&image);
    let lines = image.lines();
    assert_eq!(lines.len(), 1, "{path}: {lines:?}");
    let beginning = format!("{}: ", image.at(path).display());
    assert!(lines[0].starts_with(&beginning), "{path}: {}", lines[0]);
    for word in words {
        assert!(lines[0].contains(word), "{word}: {}", lines[0]);
    }
    assert!(!lines[0].contains('\n'), "{}", lines[0]);
    mend(&image);
    assert_eq!(image.lines(), NOTHING, "{path}, mended");
}

/// A file that must not be there at all.
fn superfluous(path: &str, reported: &str, content: impl AsRef<[u8]>, words: &[&str]) {
    one(
        reported,
        words,
        |image| image.write(path, content),
        |image| image.remove(path),
    );
}

#[test]
fn a_baked_image_and_an_empty_tree_have_nothing() {
    assert_eq!(Image::baked().lines(), NOTHING);
    assert_eq!(Image::empty().lines(), NOTHING);
    let nowhere = Root::new("/nowhere/at/all");
    let error = check::run(&nowhere, fixtures::now())
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere/at/all"), "{error}");
    let image = Image::empty();
    image.write("/file", "");
    assert!(check::run(&Root::new(image.at("/file")), fixtures::now()).is_err());
}

#[test]
fn what_an_instance_leaves_behind() {
    let data = "/var/lib/ecs/data";
    superfluous(
        "/var/lib/ecs/data/agent.db",
        data,
        AGENT_DB,
        &["agent.db", THEIRS, "delete all"],
    );
    // Whatever it is: the directory is the agent's.
    superfluous("/var/lib/ecs/data/.x", data, "", &["state", ".x"]);
    superfluous(
        "/var/lib/ecs/gpu/nvidia-gpu-info.json",
        "/var/lib/ecs/gpu",
        "{}",
        &["GPU", "delete"],
    );
    superfluous(
        "/var/log/ecs/exec/deep/x.log",
        "/var/log/ecs",
        "",
        &["exec/deep/x.log", "delete"],
    );
    let desired = "/var/cache/ecs/desired-image";
    superfluous(desired, desired, "x.tar", &["updated", "delete"]);
    let part = "/var/cache/ecs/.ecs-init-1.part";
    superfluous(part, part, "", &["unfinished", "delete"]);
    let part = "/var/lib/ecs/.ecs-init-1.part";
    superfluous(part, part, "A=b", &["unfinished", "secrets", "delete"]);
    let fetched = "/var/lib/ecs/ecs.config.s3";
    superfluous(fetched, fetched, "A=b", &["S3", "delete"]);
    let json = r#"{"Credentials": {"SecretAccessKey": "hushhush"}}"#;
    let aws = |file: &str| format!("{ROTATING_CREDENTIALS}/{file}");
    for (path, content) in [
        ("credentials", "[default]\n"),
        ("config", "[default]\nAWS_SESSION_TOKEN = x\n"),
        ("config", "aws_secret_access_key=x"),
        ("cli/cache/0.json", json),
    ] {
        let path = aws(path);
        superfluous(&path, &path, content, &["root's AWS credentials", "delete"]);
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
fn many_names_are_cut_short() {
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
    for (json, name) in [
        (r#"{"Name":"/ecs-agent"}"#, "ecs-agent"),
        (task, "ecs-web-1"),
    ] {
        let directory = "/var/lib/docker/containers/0123";
        one(
            directory,
            &[name, "docker rm"],
            |image| image.write(&format!("{directory}/config.v2.json"), json),
            |image| image.remove(directory),
        );
    }
    let other = "/var/lib/docker/containers/01/config.v2.json";
    let image = Image::baked();
    image.write(other, r#"{"Name":"/another","Config":{"Labels":{}}}"#);
    assert_eq!(image.lines(), NOTHING);
    superfluous(other, other, "{", &["cannot be read"]);
}

#[test]
fn a_tar_that_the_first_start_would_not_load() {
    let asc = format!("{TAR}.asc");
    let link = "/var/cache/ecs/ecs-agent.tar";
    let replaced = |path: &str, words: &[&str], content: &[u8], reported: &str| {
        let mut kept = Vec::new();
        let kept = std::cell::RefCell::new(&mut kept);
        one(
            reported,
            words,
            |image| {
                **kept.borrow_mut() = fs::read(image.at(path)).unwrap();
                image.write(path, content);
            },
            |image| image.write(path, &**kept.borrow()),
        );
    };
    replaced(
        TAR,
        &["would not be loaded", "bake again"],
        &fixtures::tar(2),
        TAR,
    );
    replaced(&asc, &["would not be loaded", "bake again"], b"junk", TAR);
    replaced(link, &["empty"], b"", link);
    one(
        TAR,
        &["fetch it from a network", "no signature"],
        |image| fs::rename(image.at(&asc), image.at("/kept")).unwrap(),
        |image| fs::rename(image.at("/kept"), image.at(&asc)).unwrap(),
    );
    one(
        link,
        &["ecs-agent-v1.2.3.tar", "not there", "bake again"],
        |image| fs::rename(image.at(TAR), image.at("/kept")).unwrap(),
        |image| fs::rename(image.at("/kept"), image.at(TAR)).unwrap(),
    );
    one(
        TAR,
        &["would not be loaded"],
        |image| image.write("/var/lib/ecs/ecs.config", ""),
        |image| {
            let trusted = "ECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring";
            image.write("/var/lib/ecs/ecs.config", trusted);
        },
    );
}

/// As at boot: the signature beside the link will do, and so will the permission to do without.
#[test]
fn what_boot_allows_is_allowed() {
    let asc = format!("{TAR}.asc");
    let image = Image::baked();
    let beside_link = image.at("/var/cache/ecs/ecs-agent.tar.asc");
    fs::rename(image.at(&asc), &beside_link).unwrap();
    assert_eq!(image.lines(), NOTHING);
    fs::remove_file(beside_link).unwrap();
    assert_eq!(image.lines().len(), 1);
    image.write("/etc/ecs/ecs.config", "ECS_INIT_ALLOW_UNSIGNED=true");
    assert_eq!(image.lines(), NOTHING);
    // The user's file wins over the image's.
    let var = "ECS_INIT_ALLOW_UNSIGNED=true\nECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring";
    image.write("/var/lib/ecs/ecs.config", var);
    image.write("/etc/ecs/ecs.config", "ECS_INIT_ALLOW_UNSIGNED=false");
    assert_eq!(image.lines().len(), 1);
}

#[test]
fn states_that_do_not_load_the_tar() {
    let state = "/var/cache/ecs/state";
    for (content, word) in [
        ("1", "says 1"),
        ("0", "fetched anew"),
        ("junk", "fetched anew"),
    ] {
        one(
            state,
            &[word, "write 2"],
            |image| image.write(state, content),
            |image| image.write(state, "2"),
        );
    }
    one(
        state,
        &["fetched anew"],
        |image| image.remove(state),
        |image| image.write(state, "2"),
    );
    // Without a tar it says nothing.
    let image = Image::baked();
    image.remove("/var/cache/ecs");
    image.write(state, "1");
    assert_eq!(image.lines(), NOTHING);
}

#[test]
fn a_keyring_that_no_start_could_use() {
    let keyring = "/etc/ecs/ecs-init.keyring";
    let image = Image::baked();
    image.write(keyring, "junk");
    let lines = image.lines();
    assert!(
        lines.len() == 1 && lines[0].contains("ECS_INIT_KEYRING"),
        "{lines:?}"
    );
    one(
        keyring,
        &["ECS_INIT_KEYRING", "put it there"],
        |image| fs::rename(image.at(keyring), image.at("/kept")).unwrap(),
        |image| fs::rename(image.at("/kept"), image.at(keyring)).unwrap(),
    );
}

#[test]
fn a_configuration_that_a_start_refuses_or_does_not_use() {
    let path = "/etc/ecs/ecs.config";
    for (text, words) in [
        ("ECS_INIT_MIROR=x", "line 1: ECS_INIT_MIROR"),
        ("#\nECS_INIT_FIREWALL=x", "line 2: ECS_INIT_FIREWALL"),
        ("ECS_CLUSTER=\"open", "line 1: line ignored: a quote"),
        ("nonsense", "line 1: line ignored"),
        ("ECS_INIT_WAIT_FOR=etc/x", "line 1: ECS_INIT_WAIT_FOR"),
        ("ECS_INIT_CONFIG_S3=s3//typo", "line 1: ECS_INIT_CONFIG_S3"),
        ("ECS_INIT_AGENT_SOURCE=registry", "has no digest"),
    ] {
        one(
            path,
            &[words, "correct it"],
            |image| image.write(path, text),
            |image| image.write(path, "ECS_CLUSTER=here"),
        );
    }
    // What comes at the start may name the digest.
    for later in ["WAIT_FOR=/etc/ecs/ecs.config", "CONFIG_S3=s3://bucket/key"] {
        let image = Image::baked();
        let text = format!("ECS_INIT_AGENT_SOURCE=registry\nECS_INIT_{later}\n");
        image.write(path, text);
        assert_eq!(image.lines(), NOTHING);
    }
}

#[test]
fn a_unit_that_is_masked() {
    let unit = "/etc/systemd/system/ecs.service";
    let manifest = "/var/lib/ecs/ecs-init.manifest.json";
    let mask = |image: &Image| {
        image.directory("/etc/systemd/system");
        symlink("/dev/null", image.at(unit)).unwrap();
    };
    one(
        unit,
        &["masks the service", "delete it"],
        |image| {
            image.write(manifest, r#"{"init": "systemd"}"#);
            mask(image);
        },
        |image| image.remove(unit),
    );
    // Another init does not read it.
    let image = Image::baked();
    image.write(manifest, r#"{"init": "none"}"#);
    mask(&image);
    assert_eq!(image.lines(), NOTHING);
}

#[test]
fn who_may_write_to_the_configuration() {
    for (path, mended) in [
        ("/etc/ecs/ecs.config", 0o644),
        ("/etc/ecs/ecs-init.keyring", 0o644),
        ("/var/lib/ecs/ecs.config", 0o600),
        ("/etc/ecs", 0o755),
        ("/var/lib/ecs", 0o755),
    ] {
        for bit in [0o020, 0o002] {
            one(
                path,
                &[&format!("mode {:04o}", mended | bit), "chmod"],
                |image| image.mode(path, mended | bit),
                |image| image.mode(path, mended),
            );
        }
    }
}

/// Whoever may write to the directory may put another file there.
#[test]
fn who_may_write_where_a_link_of_the_configuration_leads() {
    for (file, directory) in [
        ("/srv/cfg/ecs.config", "/srv/cfg"),
        ("/etc/ecs/a/ecs.config", "/etc/ecs/a"),
    ] {
        one(
            directory,
            &["mode 0777", "chmod"],
            |image| {
                image.write(file, "ECS_CLUSTER=here\n");
                image.remove("/etc/ecs/ecs.config");
                symlink(file, image.at("/etc/ecs/ecs.config")).unwrap();
                image.mode(directory, 0o777);
            },
            |image| image.mode(directory, 0o755),
        );
    }
}

/// Needs root, to give files away.
#[test]
fn whose_the_configuration_is() {
    let path = "/etc/ecs/ecs.config";
    one(
        path,
        &["user 1234", "chown"],
        |image| chown(image.at(path), Some(1234), None).expect("this test needs root"),
        |image| chown(image.at(path), Some(0), None).unwrap(),
    );
    // Unpacked by a builder who is not root: all of it is the builder's.
    let image = Image::empty();
    image.write(path, "");
    for path in ["/", "/etc/ecs", path] {
        chown(image.at(path), Some(1234), None).unwrap();
    }
    assert_eq!(image.lines(), NOTHING);
    chown(image.at(path), Some(1235), None).unwrap();
    assert_eq!(image.lines().len(), 1);
    // Its tar, too, whoever checks.
    let image = Image::baked();
    let given = std::process::Command::new("chown")
        .args(["-R", "1234"])
        .arg(image.root.dir())
        .status();
    assert!(given.unwrap().success());
    assert_eq!(image.lines(), NOTHING);
}

#[test]
fn credentials_are_named_and_never_shown() {
    let clean = "ECS_CLUSTER=here\n";
    for file in [
        "/etc/ecs/ecs.config",
        "/etc/ecs/ecs.config.bak",
        "/var/lib/ecs/ecs.config.old",
    ] {
        for (line, word) in [
            ("AWS_SECRET_ACCESS_KEY=hushhush", "AWS_SECRET_ACCESS_KEY"),
            (
                "ECS_ENGINE_AUTH_DATA={\"r\":\"hushhush\"}",
                "ECS_ENGINE_AUTH_DATA",
            ),
            ("https_proxy=http://u:hushhush@p:1", "https_proxy"),
            ("# AKIAHUSHHUSHHUSHHUSH", "access key ID"),
        ] {
            let spoilt = format!("{clean}{line}\n");
            one(
                file,
                &["line 2", word],
                |image| {
                    image.write(file, &spoilt);
                    let lines = image.lines().concat().to_lowercase();
                    assert!(!lines.contains("hush"), "{lines}");
                },
                |image| image.write(file, clean),
            );
        }
    }
    let json = "/etc/ecs/ecs.config.json";
    for key in ["EngineAuthData", "engineAuthData"] {
        one(
            json,
            &["EngineAuthData"],
            |image| image.write(json, format!(r#"{{"{key}":{{"r":{{}}}}}}"#)),
            |image| image.write(json, format!(r#"{{"{key}":{{}}}}"#)),
        );
    }
}

#[test]
fn credentials_below_the_configuration_and_beside_the_unit() {
    let drop_ins = "/etc/systemd/system/ecs.service.d";
    for path in ["/etc/ecs/a/b/c.env", &format!("{drop_ins}/keys.conf")] {
        let secret = "[Service]\nEnvironment=AWS_SECRET_ACCESS_KEY=x\n";
        superfluous(path, path, secret, &["line 2", "AWS_SECRET_ACCESS_KEY"]);
    }
    // Neither a circle nor what takes a drop-in of the system's away.
    let image = Image::baked();
    image.directory(drop_ins);
    symlink("/dev/null", image.at(drop_ins).join("x.conf")).unwrap();
    symlink("../ecs", image.at("/etc/ecs/again")).unwrap();
    image.write("/dev/null", "AWS_SECRET_ACCESS_KEY=x");
    assert_eq!(image.lines(), NOTHING);
}

#[test]
fn logins_at_registries_are_named_and_never_shown() {
    let file = "/root/.docker/config.json";
    let own = "/etc/docker-of-root/config.json";
    let login = r#"{"auths": {"https://r.example:5000/v2/": {"auth": "YW5uOmh1c2g="}}}"#;
    for path in [file, own] {
        one(
            path,
            &["credentials of r.example:5000", "docker logout"],
            |image| {
                let var = "ECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring\n";
                if path == own {
                    let var = format!("{var}DOCKER_CONFIG=/etc/docker-of-root\n");
                    image.write("/var/lib/ecs/ecs.config", var);
                }
                image.write(path, login);
                let lines = image.lines().concat();
                assert!(
                    !lines.contains("YW5u") && !lines.contains("hush"),
                    "{lines}"
                );
            },
            |image| {
                image.write(
                    path,
                    r#"{"auths": {"r.example": {}}, "credsStore": "pass"}"#,
                );
            },
        );
    }
}

/// The check must not wait for a writer, nor take what it cannot read for what is not there.
#[test]
fn what_is_no_file_is_no_pass() {
    let path = "/etc/ecs/ecs.config.d";
    one(
        path,
        &["cannot be read", "regular"],
        |image| {
            let made = std::process::Command::new("mkfifo")
                .arg(image.at(path))
                .status();
            assert!(made.unwrap().success());
        },
        |image| image.remove(path),
    );
    one(
        "/etc/ecs/circle",
        &["cannot be read", "links"],
        |image| symlink("circle", image.at("/etc/ecs/circle")).unwrap(),
        |image| image.remove("/etc/ecs/circle"),
    );
}
