//! Where the tar comes from, and what is not let through.

use std::fs;

use ecs_init::bake::order::Whence;
use ecs_init::host::Architecture;

use super::bench::{Bench, agent, paths, sign};
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
    bench.order.whence = Whence::Mirror(server.url());
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
    assert_eq!(server.tars().len(), 2);
}

#[test]
fn latest_is_asked_for_each_time() {
    let mut bench = Bench::new();
    let server = good(&mut bench);
    bench.order.version = Some("latest".parse().unwrap());
    bench.bake().unwrap();
    assert!(bench.bake().unwrap().unchanged);
    assert_eq!(server.tars().len(), 2);
    assert_eq!(paths(&bench.at("var/cache/ecs")).len(), 4);
}

#[test]
fn the_regions_bucket() {
    let mut bench = Bench::new();
    let server = good(&mut bench);
    bench.order.whence = Whence::Region("xx-test-1".into());
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
    bench.order.whence = Whence::Mirror(server.url());
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
    bench.order.whence = Whence::Mirror(server.url());
    bench.refused("it was altered");
    assert_eq!(server.tars().len(), 1);
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
    bench.order.whence = Whence::Mirror(server.url());
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

#[test]
fn a_signature_that_is_named_must_be_there() {
    let mut bench = Bench::new();
    bench.order.whence = Whence::Tar {
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
    let keys = bench.order.keyring.take().unwrap();
    bench.refused("agent.tar");
    bench
        .bake_with(&[("ECS_INIT_KEYRING", keys.to_str().unwrap())])
        .unwrap();
    let line = fs::read_to_string(bench.at("var/lib/ecs/ecs.config")).unwrap();
    assert_eq!(line, "ECS_INIT_KEYRING=/etc/ecs/ecs-init.keyring\n");
    let copy = fs::read(bench.at("etc/ecs/ecs-init.keyring")).unwrap();
    assert!(copy == fs::read(keys).unwrap());
}
