//! Rejected tars, each with its own error.

use std::time::SystemTime;

use ecs_init::verify::{Subject, VerifyError, verify_signature};
use sequoia_openpgp as openpgp;

use openpgp::Cert;
use openpgp::cert::{CertRevocationBuilder, CipherSuite, SubkeyRevocationBuilder};
use openpgp::types::{HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType};

use crate::fixtures::{
    Bench, DAY, Sign, armored, binary, builder, cert, days_ago, generate, key_for, now,
    signing_key, tar, verify_error,
};

#[test]
fn altered_tar() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(1));
    let signature = Sign::by(&cert).armored(&tar);
    for at in [0, 1000, tar.len() / 2, tar.len() - 1500] {
        let mut other = tar.clone();
        other[at] ^= 0x20;
        let error = bench.verify_error(&[&cert], &other, &signature);
        assert!(
            matches!(verify_error(&error), VerifyError::ContentMismatch),
            "byte {at}: {error}"
        );
    }
    // One block longer, still with a valid end.
    let longer = [tar.clone(), vec![0; 512]].concat();
    let error = bench.verify_error(&[&cert], &longer, &signature);
    assert!(
        matches!(verify_error(&error), VerifyError::ContentMismatch),
        "{error}"
    );
}

#[test]
fn truncated_tar() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(2));
    let signature = Sign::by(&cert).armored(&tar);
    for length in [0, tar.len() - 1, tar.len() - 1024, 200_000, 200_192] {
        let error = bench.verify_error(&[&cert], &tar[..length], &signature);
        assert!(
            matches!(verify_error(&error), VerifyError::TarTruncated),
            "{length}: {error}"
        );
    }
}

#[test]
fn truncated_signature() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(3));
    let signature = Sign::by(&cert).over(&tar);
    let (text, bytes) = (
        armored(std::slice::from_ref(&signature)),
        binary(&signature),
    );
    for length in [5, 40, text.len() / 2, text.len() - 12] {
        let error = bench.verify_error(&[&cert], &tar, &text[..length]);
        assert!(
            matches!(verify_error(&error), VerifyError::SignatureTruncated),
            "armored, {length}: {error}"
        );
    }
    for length in 1..bytes.len() {
        let error = bench.verify_error(&[&cert], &tar, &bytes[..length]);
        assert!(
            matches!(verify_error(&error), VerifyError::SignatureTruncated),
            "binary, {length}: {error}"
        );
    }
}

#[test]
fn missing_signature() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(4));
    let keyring = bench.keyring(&[&cert]);
    let error = verify_signature(bench.unverified(&tar, None), &keyring, now())
        .expect_err("must be rejected");
    assert!(
        matches!(verify_error(&error), VerifyError::NoSignature),
        "{error}"
    );
}

#[test]
fn malformed_signature() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(5));
    let good = binary(&Sign::by(&cert).over(&tar));
    let public_key = crate::fixtures::public(&cert);
    let with_key = [good.clone(), public_key.clone()].concat();
    let text = Sign {
        kind: SignatureType::Text,
        ..Sign::by(&cert)
    };
    let text = text.armored(&tar);
    let many = good.repeat(17);
    let large = vec![b'x'; 70_000];
    let cases: [(&str, &[u8]); 9] = [
        ("empty", b""),
        ("white space", b" \n"),
        ("a web page", b"<html>404 Not Found</html>"),
        ("noise", &[0xff; 600]),
        ("a certificate", &public_key),
        ("a signature and a certificate", &with_key),
        ("a text signature", &text),
        ("too many", &many),
        ("too large", &large),
    ];
    for (name, bytes) in cases {
        let error = bench.verify_error(&[&cert], &tar, bytes);
        assert!(
            matches!(verify_error(&error), VerifyError::MalformedSignature(_)),
            "{name}: {error}"
        );
    }
}

#[test]
fn unknown_key() {
    let (bench, trusted, unknown, tar) = (Bench::new(), cert(), cert(), tar(6));
    let error = bench.verify_error(&[&trusted], &tar, &Sign::by(&unknown).armored(&tar));
    let expected = signing_key(&unknown).to_hex();
    assert!(
        matches!(verify_error(&error), VerifyError::UnknownKey(key) if *key == expected),
        "{error}"
    );
}

#[test]
fn key_without_signing_usage() {
    let (bench, tar) = (Bench::new(), tar(7));
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
        let error = bench.verify_error(&[&cert], &tar, &sign.armored(&tar));
        let expected = sign.key.to_hex();
        assert!(
            matches!(verify_error(&error), VerifyError::WrongKeyUsage(key) if *key == expected),
            "{flags:?}: {error}"
        );
    }
}

#[test]
fn expired_certificate_even_if_signed_before() {
    let (bench, tar) = (Bench::new(), tar(8));
    let cert = generate(builder().set_validity_period(690 * DAY));
    // It expired ten days ago; a signature from before may be backdated.
    for made in [days_ago(7), days_ago(100)] {
        let mut sign = Sign::by(&cert);
        sign.made = made;
        let error = bench.verify_error(&[&cert], &tar, &sign.armored(&tar));
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
    let (bench, tar) = (Bench::new(), tar(9));
    let cert = generate(
        openpgp::cert::CertBuilder::new()
            .add_userid("M <m@example.org>")
            .set_cipher_suite(CipherSuite::Cv25519)
            .set_creation_time(days_ago(700))
            .add_subkey(KeyFlags::empty().set_signing(), 690 * DAY, None),
    );
    let mut sign = Sign::by(&cert);
    sign.key = cert.keys().subkeys().next().unwrap().key().fingerprint();
    sign.made = days_ago(100);
    let error = bench.verify_error(&[&cert], &tar, &sign.armored(&tar));
    let expected = sign.key.to_hex();
    assert!(
        matches!(verify_error(&error), VerifyError::Expired(Subject::Key(key), Some(when))
            if *key == expected && *when == days_ago(10)),
        "{error}"
    );
}

#[test]
fn signature_before_key_creation() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(16));
    let mut sign = Sign::by(&cert);
    sign.made = days_ago(701);
    let error = bench.verify_error(&[&cert], &tar, &sign.armored(&tar));
    assert!(
        matches!(verify_error(&error), VerifyError::SignatureBeforeKey { made, .. } if *made == days_ago(701)),
        "{error}"
    );
}

#[test]
fn expired_signature() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(10));
    let mut sign = Sign::by(&cert);
    sign.valid_for = Some(3 * DAY);
    let error = bench.verify_error(&[&cert], &tar, &sign.armored(&tar));
    assert!(
        matches!(verify_error(&error), VerifyError::Expired(Subject::Signature, Some(when)) if *when == days_ago(4)),
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
    let (bench, tar) = (Bench::new(), tar(11));
    let good = cert();
    for code in [
        ReasonForRevocation::KeyCompromised,
        ReasonForRevocation::KeyRetired,
        ReasonForRevocation::KeySuperseded,
    ] {
        for subkey in [false, true] {
            let cert = revoked(&good, code, subkey);
            for made in [days_ago(7), days_ago(100)] {
                let mut sign = Sign::by(&good);
                sign.made = made;
                let error = bench.verify_error(&[&cert], &tar, &sign.armored(&tar));
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

#[test]
fn signature_from_the_future() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(12));
    let mut sign = Sign::by(&cert);
    sign.made = now() + DAY;
    let error = bench.verify_error(&[&cert], &tar, &sign.armored(&tar));
    assert!(
        matches!(verify_error(&error), VerifyError::FutureSignature { made, now: then }
            if *made == now() + DAY && *then == now()),
        "{error}"
    );
}

/// Everything is from the future, and the policy of 1970 is not used.
#[test]
fn clock_at_1970() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(13));
    let signature = Sign::by(&cert).armored(&tar);
    let keyring = bench.keyring(&[&cert]);
    let unverified = bench.unverified(&tar, Some(&signature));
    let error = verify_signature(unverified, &keyring, SystemTime::UNIX_EPOCH)
        .expect_err("must be rejected");
    assert!(
        matches!(verify_error(&error), VerifyError::FutureSignature { .. }),
        "{error}"
    );

    // A key and a signature of 1975, when Sequoia's policy accepts SHA-1.
    let made = SystemTime::UNIX_EPOCH + 5 * 365 * DAY;
    let old = generate(builder().set_creation_time(SystemTime::UNIX_EPOCH + 365 * DAY));
    let sign = Sign {
        key: old.keys().subkeys().next().unwrap().key().fingerprint(),
        made,
        hash: HashAlgorithm::SHA1,
        ..Sign::by(&cert)
    };
    let sign = Sign { cert: &old, ..sign };
    let keyring = bench.keyring(&[&old]);
    let unverified = bench.unverified(&tar, Some(&sign.armored(&tar)));
    let error = verify_signature(unverified, &keyring, made + DAY).expect_err("must be rejected");
    assert!(
        matches!(verify_error(&error), VerifyError::WeakDigest(_)),
        "{error}"
    );
}

#[test]
fn weak_digest() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(14));
    for hash in [
        HashAlgorithm::SHA1,
        HashAlgorithm::MD5,
        HashAlgorithm::RipeMD,
    ] {
        let mut sign = Sign::by(&cert);
        sign.hash = hash;
        let error = bench.verify_error(&[&cert], &tar, &sign.armored(&tar));
        assert!(
            matches!(verify_error(&error), VerifyError::WeakDigest(_)),
            "{hash}: {error}"
        );
    }
}

#[test]
fn error_of_signature_that_got_furthest() {
    let (bench, trusted, unknown, tar) = (Bench::new(), cert(), cert(), tar(15));
    let by_unknown = Sign::by(&unknown).over(&tar);
    let by_other_content = Sign::by(&trusted).over(b"something else");
    for order in [
        [by_unknown.clone(), by_other_content.clone()],
        [by_other_content, by_unknown],
    ] {
        let error = bench.verify_error(&[&trusted], &tar, &armored(&order));
        assert!(
            matches!(verify_error(&error), VerifyError::ContentMismatch),
            "{error}"
        );
    }
}
