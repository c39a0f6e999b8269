//! Where the tar comes from, and what is not let through.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use ecs_init::bake::options::AgentTar;
use ecs_init::types::Architecture;
use ecs_init::verify::VerifyError;

use super::bench::{Bench, agent, everything, paths, sign};
use super::server::{Body, Reply, Server};

/// Serves this tar and signature.
fn serve(tar: Vec<u8>, signature: Vec<u8>) -> Server {
    Server::http(move |request, _| {
        if request.is_tar() {
            Reply::new(200, tar.clone())
        } else {
            Reply::new(200, signature.clone())
        }
    })
}

/// A mirror with a good tar.
fn good(bench: &mut Bench) -> Server {
    let tar = agent(Architecture::Arm64, 1);
    let signature = sign(&bench.cert, &tar);
    let server = serve(tar, signature);
    bench.options.agent = AgentTar::Mirror(server.url());
    server
}

#[test]
fn a_mirror_is_asked_once_for_a_version() {
    let mut bench = Bench::new();
    let server = good(&mut bench);
    // A good one, but the order wins.
    let tar = bench.dir.path().join("agent.tar");
    bench
        .bake_with(&[("ECS_INIT_AGENT_TAR", tar.to_str().unwrap())])
        .unwrap();
    let asked = [
        "/ecs-agent-arm64-v1.99.0.tar.asc",
        "/ecs-agent-arm64-v1.99.0.tar",
    ];
    assert_eq!(server.paths(), asked);
    let tar = fs::read(bench.at("var/cache/ecs/ecs-agent-v1.99.0.tar")).unwrap();
    assert!(tar == agent(Architecture::Arm64, 1));
    let manifest = fs::read(bench.at("var/lib/ecs/ecs-init.manifest.json")).unwrap();
    let url = format!("{}{}", server.url(), asked[1]);
    assert!(String::from_utf8(manifest).unwrap().contains(&url));
    assert!(bench.bake().unwrap().unchanged);
    assert_eq!(server.paths(), asked, "what was baked is not fetched again");

    fs::write(bench.at("var/cache/ecs/ecs-agent-v1.99.0.tar"), "x").unwrap();
    assert!(!bench.bake().unwrap().unchanged);
    assert_eq!(server.tar_requests().len(), 2);
}

#[test]
fn latest_is_asked_for_each_time() {
    let mut bench = Bench::new();
    let server = good(&mut bench);
    bench.options.version = Some("latest".parse().unwrap());
    bench.bake().unwrap();
    assert!(bench.bake().unwrap().unchanged);
    assert_eq!(server.tar_requests().len(), 2);
    assert_eq!(paths(&bench.at("var/cache/ecs")).len(), 4);
}

#[test]
fn the_regions_bucket() {
    let mut bench = Bench::new();
    let server = good(&mut bench);
    bench.options.agent = AgentTar::Region("xx-test-1".into());
    let s3 = server.url();
    let tar = bench.dir.path().join("agent.tar");
    bench
        .bake_with(&[
            ("AWS_ENDPOINT_URL_S3", &s3),
            // The order wins.
            ("ECS_INIT_MIRROR", "http://127.0.0.1:9"),
            ("ECS_INIT_AGENT_TAR", tar.to_str().unwrap()),
            ("AWS_REGION", "yy-test-1"),
        ])
        .unwrap();
    let tar = "/amazon-ecs-agent-xx-test-1/ecs-agent-arm64-v1.99.0.tar";
    assert_eq!(server.paths(), [format!("{tar}.asc"), tar.into()]);
}

#[test]
fn no_source_leaves_nothing() {
    let mut bench = Bench::new();
    let server = Server::http(|_, _| Reply::new(404, "no"));
    bench.options.agent = AgentTar::Mirror(server.url());
    let before = paths(bench.tree());
    let environment = [
        ("AWS_REGION", "xx-test-1"),
        ("AWS_ENDPOINT_URL_S3", &server.url()),
    ];
    let error = bench.bake_with(&environment).unwrap_err().to_string();
    assert!(error.contains("404"), "{error}");
    assert_eq!(paths(bench.tree()), before);
}

#[test]
fn a_download_that_was_tampered_with_leaves_nothing() {
    let mut bench = Bench::new();
    let signature = sign(&bench.cert, &agent(Architecture::Arm64, 1));
    let server = serve(agent(Architecture::Arm64, 2), signature);
    bench.options.agent = AgentTar::Mirror(server.url());
    bench.refused("for other content");
    assert_eq!(server.tar_requests().len(), 1);
    assert_eq!(paths(bench.tree()), [""; 0]);
}

#[test]
fn a_download_cut_off_leaves_nothing() {
    let mut bench = Bench::new();
    let signature = sign(&bench.cert, b"");
    let server = Server::http(move |request, _| {
        if request.is_tar() {
            Reply::new(200, vec![1; 50_000]).body(Body::Cut(20_000))
        } else {
            Reply::new(200, signature.clone())
        }
    });
    bench.options.agent = AgentTar::Mirror(server.url());
    let environment = [
        ("ECS_INIT_RETRY_TIME", "0"),
        ("AWS_REGION", "xx-test-1"),
        ("AWS_ENDPOINT_URL_S3", &server.url()),
    ];
    bench.bake_with(&environment).unwrap_err();
    assert_eq!(paths(bench.tree()), [""; 0]);
}

#[test]
fn a_bad_signature_or_none_leaves_nothing() {
    let bench = Bench::new();
    let signature = bench.dir.path().join("agent.tar.asc");
    fs::write(
        &signature,
        sign(&super::bench::cert(), &agent(Architecture::Arm64, 1)),
    )
    .unwrap();
    bench.refused("agent.tar");
    fs::write(&signature, "no signature").unwrap();
    bench.refused("agent.tar");
    fs::remove_file(&signature).unwrap();
    bench.refused("ECS_INIT_ALLOW_UNSIGNED");
    assert_eq!(paths(bench.tree()), [""; 0]);
}

/// As a browser leaves it, and sudo bakes it. Needs root, to give files away.
#[test]
fn a_tar_that_is_named_may_be_anybodys() {
    let mut bench = Bench::new();
    let tar = bench.dir.path().join("agent.tar");
    chown(&tar, Some(1234), None).expect("this test needs root");
    fs::set_permissions(&tar, Permissions::from_mode(0o664)).unwrap();
    bench.bake().unwrap();
    let baked = bench.at("var/cache/ecs/ecs-agent-v1.99.0.tar");
    assert!(fs::read(&baked).unwrap() == fs::read(&tar).unwrap());
    let meta = fs::metadata(&baked).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (0, 0o644));
    // The environment's is judged as at a start.
    bench.options.agent = AgentTar::Environment;
    let environment = [("ECS_INIT_AGENT_TAR", tar.to_str().unwrap())];
    let error = bench.bake_with(&environment).unwrap_err();
    let why = error.find::<VerifyError>();
    assert!(
        matches!(why, Some(VerifyError::WritableByOthers { .. })),
        "{error}"
    );
}

/// Its version is what somebody said, and may be another's.
#[test]
fn a_file_of_no_known_version_is_not_taken_for_the_one_of_a_mirror() {
    let mut bench = Bench::new();
    bench.bake().unwrap();
    let tar = agent(Architecture::Arm64, 2);
    let signature = sign(&bench.cert, &tar);
    let server = serve(tar.clone(), signature);
    bench.options.agent = AgentTar::Mirror(server.url());
    assert!(!bench.bake().unwrap().unchanged);
    let baked = fs::read(bench.at("var/cache/ecs/ecs-agent-v1.99.0.tar")).unwrap();
    assert!(baked == tar);
    assert!(bench.bake().unwrap().unchanged);
    assert_eq!(server.tar_requests().len(), 1);
}

#[test]
fn a_tar_of_the_environments_whose_name_says_another_version() {
    let mut bench = Bench::new();
    let at = |name: &str| bench.dir.path().join(name);
    let named = at("ecs-agent-arm64-v1.98.0.tar");
    fs::rename(at("agent.tar"), &named).unwrap();
    fs::rename(at("agent.tar.asc"), at("ecs-agent-arm64-v1.98.0.tar.asc")).unwrap();
    bench.options.agent = AgentTar::Environment;
    let environment = [("ECS_INIT_AGENT_TAR", named.to_str().unwrap())];
    let error = bench.bake_with(&environment).unwrap_err().to_string();
    assert!(
        error.contains("says version v1.98.0, --agent-version says v1.99.0"),
        "{error}"
    );
    assert_eq!(paths(bench.tree()), [""; 0]);
    for version in ["latest", "v1.98.0"] {
        bench.options.version = Some(version.parse().unwrap());
        bench.bake_with(&environment).unwrap();
    }
}

#[test]
fn a_signature_that_is_named_must_be_there() {
    let mut bench = Bench::new();
    bench.options.agent = AgentTar::File {
        tar: bench.dir.path().join("agent.tar"),
        signature: Some(bench.dir.path().join("absent")),
    };
    bench.refused("absent (--sig)");
}

#[test]
fn unsigned_only_where_that_is_allowed() {
    let bench = Bench::new();
    bench.bake().unwrap();
    fs::remove_file(bench.dir.path().join("agent.tar.asc")).unwrap();
    let allowed = [("ECS_INIT_ALLOW_UNSIGNED", "true")];
    bench.bake_with(&allowed).unwrap();
    // The signature that lay there is not this order's.
    assert!(!bench.at("var/cache/ecs/ecs-agent-v1.99.0.tar.asc").exists());
    let manifest = fs::read(bench.at("var/lib/ecs/ecs-init.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert!(manifest["agent"]["certificate"].is_null());
}

#[test]
fn the_keyring_of_the_environment_goes_into_the_image() {
    let mut bench = Bench::new();
    let keys = bench.options.keyring.take().unwrap();
    bench.refused("agent.tar");
    bench
        .bake_with(&[("ECS_INIT_KEYRING", keys.to_str().unwrap())])
        .unwrap();
    let line = fs::read_to_string(bench.at("var/lib/ecs/ecs.config")).unwrap();
    assert_eq!(line, "ECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring\n");
    let copy = fs::read(bench.at("etc/ecs/ecs-init.keyring")).unwrap();
    assert!(copy == fs::read(keys).unwrap());
}

/// What install.sh of the tar.gz does.
#[test]
fn no_agent_installs_the_rest_and_keeps_an_agent() {
    let mut bench = Bench::new();
    let tar = std::mem::replace(&mut bench.options.agent, AgentTar::None);
    let version = bench.options.version.take();
    bench.options.keyring = None;
    assert_eq!(bench.bake().unwrap().agent, None);
    assert!(bench.at("usr/libexec/amazon-ecs-init").is_file());
    assert_eq!(paths(&bench.at("var/cache/ecs")), [""; 0]);
    assert!(bench.bake().unwrap().unchanged);

    bench.options.agent = tar;
    bench.options.version = version;
    bench.options.keyring = Some(bench.dir.path().join("keys"));
    bench.bake().unwrap();
    let before = everything(bench.tree());
    bench.options.agent = AgentTar::None;
    bench.options.keyring = None;
    assert!(
        !bench.bake().unwrap().unchanged,
        "the keyring left the manifest"
    );
    let cached = paths(&bench.at("var/cache/ecs"));
    assert!(
        cached.contains(&"ecs-agent-v1.99.0.tar".to_owned()),
        "{cached:?}"
    );
    assert_eq!(everything(bench.tree()).len(), before.len());
    // The next bake still knows which tar to replace.
    bench.tar(2);
    bench.options.agent = AgentTar::File {
        tar: bench.dir.path().join("agent.tar"),
        signature: None,
    };
    bench.options.version = Some("v1.100.0".parse().unwrap());
    bench.options.keyring = Some(bench.dir.path().join("keys"));
    bench.bake().unwrap();
    let cached = paths(&bench.at("var/cache/ecs"));
    assert!(
        !cached.contains(&"ecs-agent-v1.99.0.tar".to_owned()),
        "{cached:?}"
    );
}
