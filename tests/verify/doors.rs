//! The doors for a tar without a signature, and the gate that picks one.

use std::fs::File;

use ecs_init::config::Config;
use ecs_init::types::{TarSource, UnverifiedTar};
use ecs_init::verify::{
    AllowUnsigned, AllowUpdate, Gate, Provenance, Reason, agent_update, unsigned,
};

use crate::make::{Bench, Sign, cert, now, public, tar};

/// A configuration below the bench's directory, with these variables.
fn config(bench: &Bench, variables: &[(&str, &str)]) -> Config {
    let root = ("ECS_INIT_ROOT", bench.dir.path().to_str().unwrap());
    let all = variables.iter().chain([&root]);
    Config::load(all.map(|(k, v)| ((*k).into(), (*v).into()))).0
}

/// One tar from each kind of source.
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
fn permissions_come_from_the_configuration_only() {
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
        assert_eq!(AllowUpdate::from_config(&c.source).is_none(), allowed);
    }
}

#[test]
fn each_door_is_for_its_own_sources() {
    let bench = Bench::new();
    let c = config(&bench, &[("ECS_INIT_ALLOW_UNSIGNED", "true")]);
    let by_user = || AllowUnsigned::from_config(&c.source).unwrap();
    let by_agent = || AllowUpdate::from_config(&c.source).unwrap();
    for source in sources(&bench) {
        let local = matches!(source, TarSource::Cache(_) | TarSource::File(_));
        let update = matches!(source, TarSource::Update(_));
        match unsigned(from(&bench, source.clone(), None), by_user()) {
            Ok(v) => assert!(local && *v.provenance() == Provenance::Unsigned, "{source}"),
            Err(e) => assert!(!local && matches!(e.reason(), Reason::Unsigned), "{e}"),
        }
        match agent_update(from(&bench, source.clone(), None), by_agent()) {
            Ok(v) => assert!(
                update && *v.provenance() == Provenance::AgentUpdate,
                "{source}"
            ),
            Err(e) => assert!(!update && matches!(e.reason(), Reason::NotAnUpdate), "{e}"),
        }
    }
}

#[test]
fn a_signature_that_is_there_is_never_gone_past() {
    let bench = Bench::new();
    let c = config(&bench, &[("ECS_INIT_ALLOW_UNSIGNED", "true")]);
    let [cache, _, _, update] = sources(&bench);
    let by_user = AllowUnsigned::from_config(&c.source).unwrap();
    let e = unsigned(from(&bench, cache.clone(), Some(b"x")), by_user).unwrap_err();
    assert!(matches!(e.reason(), Reason::SignatureDecides), "{e}");
    let by_agent = AllowUpdate::from_config(&c.source).unwrap();
    let e = agent_update(from(&bench, update.clone(), Some(b"x")), by_agent).unwrap_err();
    assert!(matches!(e.reason(), Reason::SignatureDecides), "{e}");
    // Nor by the gate, whatever is allowed.
    let gate = Gate::new(&c).unwrap();
    let bad = Sign::by(&cert()).armored(b"something else");
    for source in sources(&bench) {
        let e = gate
            .admit(from(&bench, source, Some(&bad)), now())
            .unwrap_err();
        assert!(matches!(e.reason(), Reason::UnknownKey(_)), "{e}");
    }
}

#[test]
fn the_gate_knows_every_combination() {
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
            let gate = Gate::new(&c).unwrap();
            for source in sources(&bench) {
                let expected = match source {
                    TarSource::Cache(_) | TarSource::File(_) => allow == "true",
                    TarSource::Url(_) => false,
                    TarSource::Update(_) => require == "false",
                };
                let verdict = gate.admit(from(&bench, source.clone(), None), now());
                assert_eq!(verdict.is_ok(), expected, "{allow} {require} {source}");
                if let Err(e) = verdict {
                    assert!(matches!(e.reason(), Reason::Unsigned), "{e}");
                }
            }
        }
    }
}

#[test]
fn the_gate_reads_the_keyring_below_its_root() {
    let (bench, cert) = (Bench::new(), cert());
    bench.file("further.asc", &public(&cert));
    let c = config(&bench, &[("ECS_INIT_KEYRING", "/further.asc")]);
    let gate = Gate::new(&c).unwrap();
    let good = Sign::by(&cert).armored(&tar(1));
    for source in sources(&bench) {
        let verified = gate
            .admit(from(&bench, source, Some(&good)), now())
            .unwrap();
        assert!(matches!(verified.provenance(), Provenance::Signed { .. }));
    }
    assert_eq!(gate.keyring().signing_keys(now()).len(), 4);
}
