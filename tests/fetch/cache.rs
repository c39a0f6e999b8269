//! A download that is verified, stored in the cache, and read back.

use std::os::unix::fs::symlink;
use std::time::SystemTime;

use ecs_init::cache::State;
use ecs_init::fetch::Download;
use ecs_init::verify::TrustPolicy;
use sequoia_openpgp as openpgp;

use openpgp::Cert;
use openpgp::serialize::SerializeInto;

use super::Host;
use super::object::Object;
use super::server::{Reply, Server};
use super::signing::{cert, sign};

/// Serves this tar and its signature.
fn serve(cert: Cert, tar: Object) -> Server {
    let signature = sign(&cert, &tar.content);
    Server::http(move |request, _| {
        if request.is_tar() {
            tar.get(request)
        } else {
            Reply::new(200, signature.clone())
        }
    })
}

/// A host that trusts this key and uses this mirror.
fn host(cert: &Cert, server: &Server, environment: &[(&str, &str)]) -> (Host, TrustPolicy) {
    let mut all = vec![("ECS_INIT_KEYRING", "/keys.pgp")];
    all.extend(environment);
    let host = Host::mirror(&server.url(), &all);
    std::fs::write(host.dir.path().join("keys.pgp"), cert.to_vec().unwrap()).unwrap();
    let trust = TrustPolicy::from_config(&host.config).unwrap();
    (host, trust)
}

fn verify_and_store(
    host: &Host,
    trust: &TrustPolicy,
    download: Download,
) -> ecs_init::error::Result<()> {
    let verified = trust.verify_at(download, SystemTime::now()).unwrap();
    host.cache.store(&verified)
}

#[test]
fn cached_tar_is_used_offline() {
    let cert = cert();
    let server = serve(cert.clone(), Object::new(700_000, 3, "\"one\""));
    let (host, trust) = host(&cert, &server, &[]);
    assert_eq!(host.cache.state(), State::Uncached);
    verify_and_store(&host, &trust, host.fetch().unwrap()).unwrap();
    host.cache.set_state(State::Cached).unwrap();
    drop(server);

    assert_eq!(host.cache.state(), State::Cached);
    let cached = host.cache.open().unwrap();
    let verified = trust.verify_at(cached, SystemTime::now()).unwrap();
    assert!(verified.signature().is_some());
    assert_eq!(verified.len(), 700_000);
    let tar = format!("ecs-agent-{}.tar", &verified.sha256()[..16]);
    let mut names = host.names();
    names.sort();
    assert_eq!(
        names,
        [
            tar.clone(),
            format!("{tar}.asc"),
            "ecs-agent.tar".into(),
            "state".into()
        ]
    );
}

#[test]
fn rejected_tar_leaves_no_file() {
    let cert = cert();
    let signature = sign(&cert, &Object::new(700_000, 3, "").content);
    let server = Server::http(move |request, _| {
        if request.is_tar() {
            Object::new(700_000, 4, "\"tampered\"").get(request)
        } else {
            Reply::new(200, signature.clone())
        }
    });
    let (host, trust) = host(&cert, &server, &[]);
    let download = host.fetch().unwrap();
    assert!(trust.verify_at(download, SystemTime::now()).is_err());
    assert!(host.names().is_empty());
    assert_eq!(host.cache.state(), State::Uncached);
}

#[test]
fn downloaded_signature_of_packaged_tar_is_stored() {
    let cert = cert();
    let tar = Object::new(5000, 9, "\"one\"");
    let server = serve(cert.clone(), tar.clone());
    let (host, trust) = host(&cert, &server, &[]);
    std::fs::create_dir_all(host.cache.dir()).unwrap();
    let name = "ecs-agent-v1.99.0.tar";
    std::fs::write(host.cache.dir().join(name), &tar.content).unwrap();
    symlink(name, host.cache.dir().join("ecs-agent.tar")).unwrap();
    host.cache.set_state(State::ReloadNeeded).unwrap();

    let cached = host.cache.open().unwrap();
    let version = cached.file().version().unwrap();
    let signature = host.search().signature(&version).unwrap();
    let tar = cached.with_signature(signature);
    let verified = trust.verify_at(tar, SystemTime::now()).unwrap();
    host.cache.store_signature(&verified).unwrap();
    assert!(host.cache.open().unwrap().signature().is_some());
    assert_eq!(host.cache.state(), State::ReloadNeeded);
    assert!(
        server.tar_requests().is_empty(),
        "only the signature was downloaded"
    );
}
