//! Acceptance without a signature, and the policy that selects the function.

use std::fs::File;

use ecs_init::config::Config;
use ecs_init::types::{TarSource, UnverifiedTar};
use ecs_init::verify::{
    AllowUnsigned, AllowUnsignedUpdate, Provenance, TrustPolicy, VerifyError, accept_unsigned,
    accept_unsigned_update,
};

use crate::fixtures::{Bench, Sign, cert, now, public, tar, verify_error};

/// A configuration with the bench's directory as root.
fn config(bench: &Bench, variables: &[(&str, &str)]) -> Config {
    let root = ("ECS_INIT_ROOT", bench.dir.path().to_str().unwrap());
    let all = variables.iter().chain([&root]);
    Config::load(all.map(|(k, v)| ((*k).into(), (*v).into()))).0
}

/// Each kind of source.
fn sources(bench: &Bench) -> [TarSource; 4] {
    let path = bench.dir.path().join("agent.tar");
    [
        TarSource::Cache(path.clone()),
        TarSource::File(path.clone()),
        TarSource::Url("https://example.org/agent.tar".into()),
        TarSource::Update(path),
    ]
}

fn from(bench: &Bench, source: TarSource, signature: Option<&[u8]>) -> UnverifiedTar {
    let file = File::open(bench.file("agent.tar", &tar(1))).unwrap();
    UnverifiedTar::new(file, signature.map(<[u8]>::to_vec), source)
}

#[test]
fn permissions_by_configuration() {
    let bench = Bench::new();
    for (value, allowed) in [
        ("true", true),
        ("false", false),
        ("maybe", false),
        ("", false),
    ] {
        let c = config(&bench, &[("ECS_INIT_ALLOW_UNSIGNED", value)]);
        assert_eq!(AllowUnsigned::from_config(&c.source).is_some(), allowed);
        let c = config(&bench, &[("ECS_INIT_REQUIRE_SIGNED_UPDATES", value)]);
        assert_eq!(
            AllowUnsignedUpdate::from_config(&c.source).is_none(),
            allowed
        );
    }
}

#[test]
fn acceptance_without_signature_by_source() {
    let bench = Bench::new();
    let c = config(&bench, &[("ECS_INIT_ALLOW_UNSIGNED", "true")]);
    let by_user = || AllowUnsigned::from_config(&c.source).unwrap();
    let by_agent = || AllowUnsignedUpdate::from_config(&c.source).unwrap();
    for source in sources(&bench) {
        let local = matches!(source, TarSource::Cache(_) | TarSource::File(_));
        let update = matches!(source, TarSource::Update(_));
        match accept_unsigned(from(&bench, source.clone(), None), by_user()) {
            Ok(v) => assert!(local && *v.provenance() == Provenance::Unsigned, "{source}"),
            Err(e) => assert!(
                !local && matches!(verify_error(&e), VerifyError::NoSignature),
                "{e}"
            ),
        }
        match accept_unsigned_update(from(&bench, source.clone(), None), by_agent()) {
            Ok(v) => assert!(
                update && *v.provenance() == Provenance::AgentUpdate,
                "{source}"
            ),
            Err(e) => assert!(
                !update && matches!(verify_error(&e), VerifyError::NotAnUpdate),
                "{e}"
            ),
        }
    }
}

#[test]
fn invalid_signature_is_never_ignored() {
    let bench = Bench::new();
    let c = config(&bench, &[("ECS_INIT_ALLOW_UNSIGNED", "true")]);
    let [cache, _, _, update] = sources(&bench);
    let by_user = AllowUnsigned::from_config(&c.source).unwrap();
    let e = accept_unsigned(from(&bench, cache.clone(), Some(b"x")), by_user).unwrap_err();
    assert!(matches!(verify_error(&e), VerifyError::HasSignature), "{e}");
    let by_agent = AllowUnsignedUpdate::from_config(&c.source).unwrap();
    let e = accept_unsigned_update(from(&bench, update.clone(), Some(b"x")), by_agent).unwrap_err();
    assert!(matches!(verify_error(&e), VerifyError::HasSignature), "{e}");
    // Nor by the policy.
    let policy = TrustPolicy::from_config(&c).unwrap();
    let invalid = Sign::by(&cert()).armored(b"something else");
    for source in sources(&bench) {
        let e = policy
            .verify_at(from(&bench, source, Some(&invalid)), now())
            .unwrap_err();
        assert!(
            matches!(verify_error(&e), VerifyError::UnknownKey(_)),
            "{e}"
        );
    }
}

#[test]
fn policy_for_every_source_and_permission() {
    let bench = Bench::new();
    for allow in ["false", "true"] {
        for require in ["false", "true"] {
            let c = config(
                &bench,
                &[
                    ("ECS_INIT_ALLOW_UNSIGNED", allow),
                    ("ECS_INIT_REQUIRE_SIGNED_UPDATES", require),
                ],
            );
            let policy = TrustPolicy::from_config(&c).unwrap();
            for source in sources(&bench) {
                let expected = match source {
                    TarSource::Cache(_) | TarSource::File(_) => allow == "true",
                    TarSource::Url(_) => false,
                    TarSource::Update(_) => require == "false",
                };
                let result = policy.verify_at(from(&bench, source.clone(), None), now());
                assert_eq!(result.is_ok(), expected, "{allow} {require} {source}");
                if let Err(e) = result {
                    assert!(matches!(verify_error(&e), VerifyError::NoSignature), "{e}");
                }
            }
        }
    }
}

#[test]
fn keyring_path_is_below_root() {
    let (bench, cert) = (Bench::new(), cert());
    bench.file("keyring.asc", &public(&cert));
    let c = config(&bench, &[("ECS_INIT_KEYRING", "/keyring.asc")]);
    let policy = TrustPolicy::from_config(&c).unwrap();
    let valid = Sign::by(&cert).armored(&tar(1));
    for source in sources(&bench) {
        let verified = policy
            .verify_at(from(&bench, source, Some(&valid)), now())
            .unwrap();
        assert!(matches!(verified.provenance(), Provenance::Signed { .. }));
    }
    assert_eq!(policy.keyring().signing_keys(now()).len(), 4);
}
