//! Acceptance without a signature, and the policy that selects the function.

use std::fs::File;

use ecs_init::config::Config;
use ecs_init::types::{TarSource, UnverifiedTar};
use ecs_init::verify::{
    AllowUnsigned, AllowUnsignedUpdate, Provenance, TrustPolicy, VerifyError, accept_unsigned,
    accept_unsigned_update,
};

use crate::fixtures::{Fixture, Sign, cert, now, public, tar, verify_error};

/// A configuration with the fixture's directory as root.
fn config(fixture: &Fixture, variables: &[(&str, &str)]) -> Config {
    let root = ("ECS_INIT_ROOT", fixture.dir.path().to_str().unwrap());
    let all = variables.iter().chain([&root]);
    Config::load(all.map(|(k, v)| ((*k).into(), (*v).into()))).0
}

/// Each kind of source.
fn sources(fixture: &Fixture) -> [TarSource; 4] {
    let path = fixture.dir.path().join("agent.tar");
    [
        TarSource::Cache(path.clone()),
        TarSource::File(path.clone()),
        TarSource::Url("https://example.org/agent.tar".into()),
        TarSource::Update(path),
    ]
}

fn from(fixture: &Fixture, source: TarSource, signature: Option<&[u8]>) -> UnverifiedTar {
    let file = File::open(fixture.file("agent.tar", &tar(1))).unwrap();
    UnverifiedTar::new(file, signature.map(<[u8]>::to_vec), source)
}

#[test]
fn permissions_by_configuration() {
    let fixture = Fixture::new();
    for (value, allowed) in [
        ("true", true),
        ("false", false),
        ("maybe", false),
        ("", false),
    ] {
        let c = config(&fixture, &[("ECS_INIT_ALLOW_UNSIGNED", value)]);
        assert_eq!(AllowUnsigned::from_config(&c.source).is_some(), allowed);
        let c = config(&fixture, &[("ECS_INIT_REQUIRE_SIGNED_UPDATES", value)]);
        assert_eq!(
            AllowUnsignedUpdate::from_config(&c.source).is_none(),
            allowed
        );
    }
}

#[test]
fn acceptance_without_signature_by_source() {
    let fixture = Fixture::new();
    let c = config(&fixture, &[("ECS_INIT_ALLOW_UNSIGNED", "true")]);
    let by_user = || AllowUnsigned::from_config(&c.source).unwrap();
    let by_agent = || AllowUnsignedUpdate::from_config(&c.source).unwrap();
    for source in sources(&fixture) {
        let local = matches!(source, TarSource::Cache(_) | TarSource::File(_));
        let update = matches!(source, TarSource::Update(_));
        match accept_unsigned(from(&fixture, source.clone(), None), by_user()) {
            Ok(v) => assert!(local && *v.provenance() == Provenance::Unsigned, "{source}"),
            Err(e) => assert!(
                !local && matches!(verify_error(&e), VerifyError::NoSignature),
                "{e}"
            ),
        }
        match accept_unsigned_update(from(&fixture, source.clone(), None), by_agent()) {
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
    let fixture = Fixture::new();
    let c = config(&fixture, &[("ECS_INIT_ALLOW_UNSIGNED", "true")]);
    let [cache, _, _, update] = sources(&fixture);
    let by_user = AllowUnsigned::from_config(&c.source).unwrap();
    let e = accept_unsigned(from(&fixture, cache.clone(), Some(b"x")), by_user).unwrap_err();
    assert!(matches!(verify_error(&e), VerifyError::HasSignature), "{e}");
    let by_agent = AllowUnsignedUpdate::from_config(&c.source).unwrap();
    let e =
        accept_unsigned_update(from(&fixture, update.clone(), Some(b"x")), by_agent).unwrap_err();
    assert!(matches!(verify_error(&e), VerifyError::HasSignature), "{e}");
    // Nor by the policy.
    let policy = TrustPolicy::from_config(&c).unwrap();
    let invalid = Sign::by(&cert()).armored(b"something else");
    for source in sources(&fixture) {
        let e = policy
            .verify_at(from(&fixture, source, Some(&invalid)), now())
            .unwrap_err();
        assert!(
            matches!(verify_error(&e), VerifyError::UnknownKey(_)),
            "{e}"
        );
    }
}

#[test]
fn policy_for_every_source_and_permission() {
    let fixture = Fixture::new();
    for allow in ["false", "true"] {
        for require in ["false", "true"] {
            let c = config(
                &fixture,
                &[
                    ("ECS_INIT_ALLOW_UNSIGNED", allow),
                    ("ECS_INIT_REQUIRE_SIGNED_UPDATES", require),
                ],
            );
            let policy = TrustPolicy::from_config(&c).unwrap();
            for source in sources(&fixture) {
                let expected = match source {
                    TarSource::Cache(_) | TarSource::File(_) => allow == "true",
                    TarSource::Url(_) => false,
                    TarSource::Update(_) => require == "false",
                };
                let result = policy.verify_at(from(&fixture, source.clone(), None), now());
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
    let (fixture, cert) = (Fixture::new(), cert());
    fixture.file("keyring.asc", &public(&cert));
    let c = config(&fixture, &[("ECS_INIT_KEYRING", "/keyring.asc")]);
    let policy = TrustPolicy::from_config(&c).unwrap();
    let valid = Sign::by(&cert).armored(&tar(1));
    for source in sources(&fixture) {
        let verified = policy
            .verify_at(from(&fixture, source, Some(&valid)), now())
            .unwrap();
        assert!(matches!(verified.provenance(), Provenance::Signed { .. }));
    }
    assert_eq!(policy.keyring().signing_keys(now()).len(), 4);
}
