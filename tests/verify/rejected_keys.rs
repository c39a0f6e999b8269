//! Signatures by unknown, unsuitable, expired and revoked keys.

use ecs_init::verify::{Subject, VerifyError};
use sequoia_openpgp as openpgp;

use openpgp::Cert;
use openpgp::cert::{CertRevocationBuilder, CipherSuite, SubkeyRevocationBuilder};
use openpgp::types::{KeyFlags, ReasonForRevocation};

use crate::fixtures::{
    DAY, Fixture, Sign, builder, cert, days_ago, generate, key_for, signing_key, tar, verify_error,
};

#[test]
fn unknown_key() {
    let (fixture, trusted, unknown, tar) = (Fixture::new(), cert(), cert(), tar(6));
    let error = fixture.expect_rejected(&[&trusted], &tar, &Sign::by(&unknown).armored(&tar));
    let expected = signing_key(&unknown).to_hex();
    assert!(
        matches!(verify_error(&error), VerifyError::UnknownKey(key) if *key == expected),
        "{error}"
    );
}

#[test]
fn key_without_signing_usage() {
    let (fixture, tar) = (Fixture::new(), tar(7));
    // Of the encryption keys only an RSA key can sign.
    let cert = generate(
        builder()
            .set_cipher_suite(CipherSuite::RSA2k)
            .add_transport_encryption_subkey()
            .add_authentication_subkey(),
    );
    for flags in [
        KeyFlags::empty().set_certification(),
        KeyFlags::empty().set_transport_encryption(),
        KeyFlags::empty().set_authentication(),
    ] {
        let mut sign = Sign::by(&cert);
        sign.key = key_for(&cert, &flags);
        let error = fixture.expect_rejected(&[&cert], &tar, &sign.armored(&tar));
        let expected = sign.key.to_hex();
        assert!(
            matches!(verify_error(&error), VerifyError::WrongKeyUsage(key) if *key == expected),
            "{flags:?}: {error}"
        );
    }
}

#[test]
fn expired_certificate_even_if_signed_before() {
    let (fixture, tar) = (Fixture::new(), tar(8));
    let cert = generate(builder().set_validity_period(690 * DAY));
    // It expired ten days ago; a signature from before may be backdated.
    for created in [days_ago(7), days_ago(100)] {
        let mut sign = Sign::by(&cert);
        sign.created = created;
        let error = fixture.expect_rejected(&[&cert], &tar, &sign.armored(&tar));
        let VerifyError::Expired(Subject::Certificate(fingerprint), Some(when)) =
            verify_error(&error)
        else {
            panic!("{error}");
        };
        assert_eq!(*fingerprint, cert.fingerprint().to_hex());
        assert_eq!(*when, days_ago(10));
    }
}

#[test]
fn expired_subkey() {
    let (fixture, tar) = (Fixture::new(), tar(9));
    let cert = generate(
        openpgp::cert::CertBuilder::new()
            .add_userid("M <m@example.org>")
            .set_cipher_suite(CipherSuite::Cv25519)
            .set_creation_time(days_ago(700))
            .add_subkey(KeyFlags::empty().set_signing(), 690 * DAY, None),
    );
    let mut sign = Sign::by(&cert);
    sign.key = cert.keys().subkeys().next().unwrap().key().fingerprint();
    sign.created = days_ago(100);
    let error = fixture.expect_rejected(&[&cert], &tar, &sign.armored(&tar));
    let expected = sign.key.to_hex();
    assert!(
        matches!(verify_error(&error), VerifyError::Expired(Subject::Key(key), Some(when))
            if *key == expected && *when == days_ago(10)),
        "{error}"
    );
}

#[test]
fn signature_before_key_creation() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(16));
    let mut sign = Sign::by(&cert);
    sign.created = days_ago(701);
    let error = fixture.expect_rejected(&[&cert], &tar, &sign.armored(&tar));
    assert!(
        matches!(verify_error(&error), VerifyError::SignatureBeforeKey { created, .. }
            if *created == days_ago(701)),
        "{error}"
    );
}

#[test]
fn expired_signature() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(10));
    let mut sign = Sign::by(&cert);
    sign.valid_for = Some(3 * DAY);
    let error = fixture.expect_rejected(&[&cert], &tar, &sign.armored(&tar));
    assert!(
        matches!(verify_error(&error), VerifyError::Expired(Subject::Signature, Some(when))
            if *when == days_ago(4)),
        "{error}"
    );
}

/// The certificate with a revocation from ten days ago.
fn revoked(cert: &Cert, code: ReasonForRevocation, subkey: bool) -> Cert {
    let mut primary = cert
        .primary_key()
        .key()
        .clone()
        .parts_into_secret()
        .unwrap()
        .into_keypair()
        .unwrap();
    let text = b"a text by\nits owner";
    let signature = if subkey {
        let key = cert.keys().subkeys().next().unwrap();
        SubkeyRevocationBuilder::new()
            .set_signature_creation_time(days_ago(10))
            .unwrap()
            .set_reason_for_revocation(code, text)
            .unwrap()
            .build(&mut primary, cert, key.key(), None)
            .unwrap()
    } else {
        CertRevocationBuilder::new()
            .set_signature_creation_time(days_ago(10))
            .unwrap()
            .set_reason_for_revocation(code, text)
            .unwrap()
            .build(&mut primary, cert, None)
            .unwrap()
    };
    cert.clone().insert_packets(signature).unwrap().0
}

#[test]
fn revoked_certificate_or_subkey_for_any_reason_and_time() {
    let (fixture, tar) = (Fixture::new(), tar(11));
    let good = cert();
    for code in [
        ReasonForRevocation::KeyCompromised,
        ReasonForRevocation::KeyRetired,
        ReasonForRevocation::KeySuperseded,
    ] {
        for subkey in [false, true] {
            let cert = revoked(&good, code, subkey);
            for created in [days_ago(7), days_ago(100)] {
                let mut sign = Sign::by(&good);
                sign.created = created;
                let error = fixture.expect_rejected(&[&cert], &tar, &sign.armored(&tar));
                let VerifyError::Revoked(subject, reason) = verify_error(&error) else {
                    panic!("{code}, subkey {subkey}: {error}");
                };
                let expected = if subkey {
                    Subject::Key(sign.key.to_hex())
                } else {
                    Subject::Certificate(cert.fingerprint().to_hex())
                };
                assert_eq!(*subject, expected);
                assert!(reason.contains("a text by its owner"), "{reason}");
            }
        }
    }
}
