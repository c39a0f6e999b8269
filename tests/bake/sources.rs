//! Where the tar comes from, and which tars are rejected.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use ecs_init::bake::options::AgentLocation;
use ecs_init::types::Architecture;
use ecs_init::verify::VerifyError;

use super::fixture::{Fixture, agent, everything, paths, sign};
use super::server::{Body, Reply, Server};

/// A server of this tar and signature.
fn serve(tar: Vec<u8>, signature: Vec<u8>) -> Server {
    Server::http(move |request, _| {
        if request.is_tar() {
            Reply::new(200, tar.clone())
        } else {
            Reply::new(200, signature.clone())
        }
    })
}

/// Makes a mirror with a valid tar the source.
fn valid_mirror(fixture: &mut Fixture) -> Server {
    let tar = agent(Architecture::Arm64, 1);
    let signature = sign(&fixture.cert, &tar);
    let server = serve(tar, signature);
    fixture.options.agent = AgentLocation::Mirror(server.url());
    server
}

#[test]
fn mirror_is_requested_once_per_version() {
    let mut fixture = Fixture::new();
    let server = valid_mirror(&mut fixture);
    // A valid tar too, but options override the environment.
    let tar = fixture.dir.path().join("agent.tar");
    fixture
        .bake_with(&[("ECS_INIT_AGENT_TAR", tar.to_str().unwrap())])
        .unwrap();
    let requested = [
        "/ecs-agent-arm64-v1.99.0.tar.asc",
        "/ecs-agent-arm64-v1.99.0.tar",
    ];
    assert_eq!(server.paths(), requested);
    let tar = fs::read(fixture.at("var/cache/ecs/ecs-agent-v1.99.0.tar")).unwrap();
    assert!(tar == agent(Architecture::Arm64, 1));
    let manifest = fs::read(fixture.at("var/lib/ecs/ecs-init.manifest.json")).unwrap();
    let url = format!("{}{}", server.url(), requested[1]);
    assert!(String::from_utf8(manifest).unwrap().contains(&url));
    assert!(fixture.bake().unwrap().unchanged);
    assert_eq!(
        server.paths(),
        requested,
        "a stored tar is not downloaded again"
    );

    fs::write(fixture.at("var/cache/ecs/ecs-agent-v1.99.0.tar"), "x").unwrap();
    assert!(!fixture.bake().unwrap().unchanged);
    assert_eq!(server.tar_requests().len(), 2);
}

#[test]
fn latest_is_downloaded_each_time() {
    let mut fixture = Fixture::new();
    let server = valid_mirror(&mut fixture);
    fixture.options.version = Some("latest".parse().unwrap());
    fixture.bake().unwrap();
    assert!(fixture.bake().unwrap().unchanged);
    assert_eq!(server.tar_requests().len(), 2);
    assert_eq!(paths(&fixture.at("var/cache/ecs")).len(), 4);
}

#[test]
fn region_bucket_is_used() {
    let mut fixture = Fixture::new();
    let server = valid_mirror(&mut fixture);
    fixture.options.agent = AgentLocation::Region("xx-test-1".into());
    let s3 = server.url();
    let tar = fixture.dir.path().join("agent.tar");
    fixture
        .bake_with(&[
            ("AWS_ENDPOINT_URL_S3", &s3),
            // Options override the environment.
            ("ECS_INIT_MIRROR", "http://127.0.0.1:9"),
            ("ECS_INIT_AGENT_TAR", tar.to_str().unwrap()),
            ("AWS_REGION", "yy-test-1"),
        ])
        .unwrap();
    let tar = "/amazon-ecs-agent-xx-test-1/ecs-agent-arm64-v1.99.0.tar";
    assert_eq!(server.paths(), [format!("{tar}.asc"), tar.into()]);
}

#[test]
fn unavailable_sources_change_nothing() {
    let mut fixture = Fixture::new();
    let server = Server::http(|_, _| Reply::new(404, "no"));
    fixture.options.agent = AgentLocation::Mirror(server.url());
    let before = paths(fixture.tree());
    let environment = [
        ("AWS_REGION", "xx-test-1"),
        ("AWS_ENDPOINT_URL_S3", &server.url()),
    ];
    let error = fixture.bake_with(&environment).unwrap_err().to_string();
    assert!(error.contains("404"), "{error}");
    assert_eq!(paths(fixture.tree()), before);
}

#[test]
fn tampered_download_changes_nothing() {
    let mut fixture = Fixture::new();
    let signature = sign(&fixture.cert, &agent(Architecture::Arm64, 1));
    let server = serve(agent(Architecture::Arm64, 2), signature);
    fixture.options.agent = AgentLocation::Mirror(server.url());
    fixture.expect_refused("for other content");
    assert_eq!(server.tar_requests().len(), 1);
    assert_eq!(paths(fixture.tree()), [""; 0]);
}

#[test]
fn truncated_download_changes_nothing() {
    let mut fixture = Fixture::new();
    let signature = sign(&fixture.cert, b"");
    let server = Server::http(move |request, _| {
        if request.is_tar() {
            Reply::new(200, vec![1; 50_000]).body(Body::Cut(20_000))
        } else {
            Reply::new(200, signature.clone())
        }
    });
    fixture.options.agent = AgentLocation::Mirror(server.url());
    let environment = [
        ("ECS_INIT_RETRY_TIME", "0"),
        ("AWS_REGION", "xx-test-1"),
        ("AWS_ENDPOINT_URL_S3", &server.url()),
    ];
    fixture.bake_with(&environment).unwrap_err();
    assert_eq!(paths(fixture.tree()), [""; 0]);
}

#[test]
fn invalid_or_missing_signature_changes_nothing() {
    let fixture = Fixture::new();
    let signature = fixture.dir.path().join("agent.tar.asc");
    fs::write(
        &signature,
        sign(&super::fixture::cert(), &agent(Architecture::Arm64, 1)),
    )
    .unwrap();
    fixture.expect_refused("agent.tar");
    fs::write(&signature, "no signature").unwrap();
    fixture.expect_refused("agent.tar");
    fs::remove_file(&signature).unwrap();
    fixture.expect_refused("ECS_INIT_ALLOW_UNSIGNED");
    assert_eq!(paths(fixture.tree()), [""; 0]);
}

/// For example a tar that a user downloaded and bakes with sudo. Needs root, for chown(2).
#[test]
fn named_tar_may_have_any_owner() {
    let mut fixture = Fixture::new();
    let tar = fixture.dir.path().join("agent.tar");
    chown(&tar, Some(1234), None).expect("this test needs root");
    fs::set_permissions(&tar, Permissions::from_mode(0o664)).unwrap();
    fixture.bake().unwrap();
    let baked = fixture.at("var/cache/ecs/ecs-agent-v1.99.0.tar");
    assert!(fs::read(&baked).unwrap() == fs::read(&tar).unwrap());
    let meta = fs::metadata(&baked).unwrap();
    assert_eq!((meta.uid(), meta.mode() & 0o7777), (0, 0o644));
    // A tar that the environment names is verified as at a start.
    fixture.options.agent = AgentLocation::Environment;
    let environment = [("ECS_INIT_AGENT_TAR", tar.to_str().unwrap())];
    let error = fixture.bake_with(&environment).unwrap_err();
    let why = error.find::<VerifyError>();
    assert!(
        matches!(why, Some(VerifyError::WritableByOthers { .. })),
        "{error}"
    );
}

/// The version of the baked tar was given on the command line only, and may be wrong.
#[test]
fn baked_tar_of_unknown_version_is_downloaded_again() {
    let mut fixture = Fixture::new();
    fixture.bake().unwrap();
    let tar = agent(Architecture::Arm64, 2);
    let signature = sign(&fixture.cert, &tar);
    let server = serve(tar.clone(), signature);
    fixture.options.agent = AgentLocation::Mirror(server.url());
    assert!(!fixture.bake().unwrap().unchanged);
    let baked = fs::read(fixture.at("var/cache/ecs/ecs-agent-v1.99.0.tar")).unwrap();
    assert!(baked == tar);
    assert!(fixture.bake().unwrap().unchanged);
    assert_eq!(server.tar_requests().len(), 1);
}

#[test]
fn tar_of_the_environment_with_another_version_is_refused() {
    let mut fixture = Fixture::new();
    let at = |name: &str| fixture.dir.path().join(name);
    let named = at("ecs-agent-arm64-v1.98.0.tar");
    fs::rename(at("agent.tar"), &named).unwrap();
    fs::rename(at("agent.tar.asc"), at("ecs-agent-arm64-v1.98.0.tar.asc")).unwrap();
    fixture.options.agent = AgentLocation::Environment;
    let environment = [("ECS_INIT_AGENT_TAR", named.to_str().unwrap())];
    let error = fixture.bake_with(&environment).unwrap_err().to_string();
    assert!(
        error.contains("says version v1.98.0, --agent-version says v1.99.0"),
        "{error}"
    );
    assert_eq!(paths(fixture.tree()), [""; 0]);
    for version in ["latest", "v1.98.0"] {
        fixture.options.version = Some(version.parse().unwrap());
        fixture.bake_with(&environment).unwrap();
    }
}

#[test]
fn named_signature_must_exist() {
    let mut fixture = Fixture::new();
    fixture.options.agent = AgentLocation::File {
        tar: fixture.dir.path().join("agent.tar"),
        signature: Some(fixture.dir.path().join("absent")),
    };
    fixture.expect_refused("absent (--sig)");
}

#[test]
fn unsigned_tar_needs_permission() {
    let fixture = Fixture::new();
    fixture.bake().unwrap();
    fs::remove_file(fixture.dir.path().join("agent.tar.asc")).unwrap();
    let allowed = [("ECS_INIT_ALLOW_UNSIGNED", "true")];
    fixture.bake_with(&allowed).unwrap();
    // The earlier signature is not of this tar.
    assert!(
        !fixture
            .at("var/cache/ecs/ecs-agent-v1.99.0.tar.asc")
            .exists()
    );
    let manifest = fs::read(fixture.at("var/lib/ecs/ecs-init.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert!(manifest["agent"]["certificate"].is_null());
}

#[test]
fn keyring_of_the_environment_is_installed() {
    let mut fixture = Fixture::new();
    let keys = fixture.options.keyring.take().unwrap();
    fixture.expect_refused("agent.tar");
    fixture
        .bake_with(&[("ECS_INIT_KEYRING", keys.to_str().unwrap())])
        .unwrap();
    let line = fs::read_to_string(fixture.at("var/lib/ecs/ecs.config")).unwrap();
    assert_eq!(line, "ECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring\n");
    let copy = fs::read(fixture.at("etc/ecs/ecs-init.keyring")).unwrap();
    assert!(copy == fs::read(keys).unwrap());
}

/// `--no-agent`, which install.sh of the tar.gz uses.
#[test]
fn no_agent_option_installs_the_rest_and_keeps_baked_agent() {
    let mut fixture = Fixture::new();
    let tar = std::mem::replace(&mut fixture.options.agent, AgentLocation::None);
    let version = fixture.options.version.take();
    fixture.options.keyring = None;
    assert_eq!(fixture.bake().unwrap().agent, None);
    assert!(fixture.at("usr/libexec/amazon-ecs-init").is_file());
    assert_eq!(paths(&fixture.at("var/cache/ecs")), [""; 0]);
    assert!(fixture.bake().unwrap().unchanged);

    fixture.options.agent = tar;
    fixture.options.version = version;
    fixture.options.keyring = Some(fixture.dir.path().join("keys"));
    fixture.bake().unwrap();
    let before = everything(fixture.tree());
    fixture.options.agent = AgentLocation::None;
    fixture.options.keyring = None;
    assert!(
        !fixture.bake().unwrap().unchanged,
        "the keyring is not in the manifest"
    );
    let cached = paths(&fixture.at("var/cache/ecs"));
    assert!(
        cached.contains(&"ecs-agent-v1.99.0.tar".to_owned()),
        "{cached:?}"
    );
    assert_eq!(everything(fixture.tree()).len(), before.len());
    // The next bake knows which tar to replace.
    fixture.tar(2);
    fixture.options.agent = AgentLocation::File {
        tar: fixture.dir.path().join("agent.tar"),
        signature: None,
    };
    fixture.options.version = Some("v1.100.0".parse().unwrap());
    fixture.options.keyring = Some(fixture.dir.path().join("keys"));
    fixture.bake().unwrap();
    let cached = paths(&fixture.at("var/cache/ecs"));
    assert!(
        !cached.contains(&"ecs-agent-v1.99.0.tar".to_owned()),
        "{cached:?}"
    );
}
