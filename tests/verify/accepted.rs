//! Accepted tars.

use std::io::Read;

use ecs_init::verify::{Keyring, Provenance, verify_signature};
use sequoia_openpgp::cert::CipherSuite;
use sequoia_openpgp::types::{HashAlgorithm, KeyFlags};

use crate::fixtures::{
    DAY, Fixture, Sign, armored, binary, builder, cert, days_ago, generate, now, public_armored,
    signing_key, tar,
};

#[test]
fn armored_and_binary_signature() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(1));
    let signature = Sign::by(&cert).over(&tar);
    for bytes in [
        armored(std::slice::from_ref(&signature)),
        binary(&signature),
    ] {
        let verified = fixture.verify(&[&cert], &tar, &bytes).expect("accepted");
        let Provenance::Signed {
            certificate,
            key,
            created,
            user,
        } = verified.provenance()
        else {
            panic!("{:?}", verified.provenance());
        };
        assert_eq!(*certificate, cert.fingerprint().to_hex());
        assert_eq!(*key, signing_key(&cert).to_hex());
        assert_eq!(*created, days_ago(7));
        assert_eq!(user, "Mirror <mirror@example.org>");
        assert_eq!(verified.len(), tar.len() as u64);

        let printed = verified.to_string();
        for fact in [
            verified.sha256(),
            cert.fingerprint().to_hex(),
            signing_key(&cert).to_hex(),
            "Mirror <mirror@example.org>".into(),
            "2026-11-15T00:00:00Z".into(),
        ] {
            assert!(printed.contains(&fact), "{fact} in\n{printed}");
        }

        // Both readers start at the first byte, every time.
        for _ in 0..2 {
            let mut read = Vec::new();
            verified.reader().unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, tar);
            let mut read = Vec::new();
            verified.stream().unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, tar);
        }
    }
}

#[test]
fn digest_equals_sha256sum() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(2));
    let verified = fixture
        .verify(&[&cert], &tar, &Sign::by(&cert).armored(&tar))
        .unwrap();
    let output = std::process::Command::new("sha256sum")
        .arg(fixture.file("copy", &tar))
        .output()
        .expect("run sha256sum");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.split(' ').next(),
        Some(verified.sha256().as_str()),
        "{text}"
    );
}

#[test]
fn usual_key_types_and_digests() {
    let (fixture, tar) = (Fixture::new(), tar(3));
    // RSA-4096, as Amazon's, is in gnupg.rs: GnuPG generates such a key in a second.
    for suite in [
        CipherSuite::Cv25519,
        CipherSuite::P256,
        CipherSuite::P384,
        CipherSuite::RSA2k,
    ] {
        let cert = generate(builder().set_cipher_suite(suite));
        let mut sign = Sign::by(&cert);
        for hash in [
            HashAlgorithm::SHA256,
            HashAlgorithm::SHA384,
            HashAlgorithm::SHA512,
        ] {
            sign.hash = hash;
            let result = fixture.verify(&[&cert], &tar, &sign.armored(&tar));
            assert!(result.is_ok(), "{suite:?} {hash}: {result:?}");
        }
    }
}

#[test]
fn primary_key_with_signing_usage() {
    let (fixture, tar) = (Fixture::new(), tar(4));
    let flags = KeyFlags::empty().set_certification().set_signing();
    let cert = generate(builder().set_primary_key_flags(flags));
    let mut sign = Sign::by(&cert);
    sign.key = cert.fingerprint();
    let result = fixture.verify(&[&cert], &tar, &sign.armored(&tar));
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn one_valid_signature_of_several() {
    let (fixture, trusted, unknown, tar) = (Fixture::new(), cert(), cert(), tar(5));
    let valid = Sign::by(&trusted).over(&tar);
    let by_unknown = Sign::by(&unknown).over(&tar);
    let by_other_content = Sign::by(&trusted).over(b"something else");
    let both = [by_unknown.clone(), by_other_content, valid.clone()];
    // In one block, and in two.
    let blocks = [armored(&[by_unknown]), armored(&[valid])].concat();
    for bytes in [armored(&both), blocks] {
        let result = fixture.verify(&[&trusted], &tar, &bytes);
        assert!(result.is_ok(), "{result:?}");
    }
}

#[test]
fn keyring_with_several_certificates() {
    let (fixture, first, second, tar) = (Fixture::new(), cert(), cert(), tar(6));
    let signature = Sign::by(&second).armored(&tar);
    let armored = [public_armored(&first), public_armored(&second)].concat();
    let keyring = Keyring::load(Some(&fixture.file("armored", &armored))).unwrap();
    let unverified = fixture.unverified(&tar, Some(&signature));
    let result = verify_signature(unverified, &keyring, now());
    assert!(result.is_ok(), "{result:?}");
    let result = fixture.verify(&[&first, &second], &tar, &signature);
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn signature_not_expired_yet_and_signer_clock_ahead() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(7));
    let mut sign = Sign::by(&cert);
    sign.valid_for = Some(30 * DAY);
    assert!(fixture.verify(&[&cert], &tar, &sign.armored(&tar)).is_ok());
    sign.created = now() + DAY / 1440;
    assert!(fixture.verify(&[&cert], &tar, &sign.armored(&tar)).is_ok());
}
