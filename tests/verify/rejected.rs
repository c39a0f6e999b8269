//! Rejected tars, each with its own error.

use std::time::SystemTime;

use ecs_init::verify::{VerifyError, verify_signature};
use sequoia_openpgp as openpgp;

use openpgp::types::{HashAlgorithm, SignatureType};

use crate::fixtures::{
    DAY, Fixture, Sign, armored, binary, builder, cert, generate, now, tar, verify_error,
};

#[test]
fn altered_tar() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(1));
    let signature = Sign::by(&cert).armored(&tar);
    for at in [0, 1000, tar.len() / 2, tar.len() - 1500] {
        let mut other = tar.clone();
        other[at] ^= 0x20;
        let error = fixture.expect_rejected(&[&cert], &other, &signature);
        assert!(
            matches!(verify_error(&error), VerifyError::ContentMismatch),
            "byte {at}: {error}"
        );
    }
    // One block longer, still with a valid end.
    let longer = [tar.clone(), vec![0; 512]].concat();
    let error = fixture.expect_rejected(&[&cert], &longer, &signature);
    assert!(
        matches!(verify_error(&error), VerifyError::ContentMismatch),
        "{error}"
    );
}

#[test]
fn truncated_tar() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(2));
    let signature = Sign::by(&cert).armored(&tar);
    for length in [0, tar.len() - 1, tar.len() - 1024, 200_000, 200_192] {
        let error = fixture.expect_rejected(&[&cert], &tar[..length], &signature);
        assert!(
            matches!(verify_error(&error), VerifyError::TarTruncated),
            "{length}: {error}"
        );
    }
}

#[test]
fn truncated_signature() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(3));
    let signature = Sign::by(&cert).over(&tar);
    let (text, bytes) = (
        armored(std::slice::from_ref(&signature)),
        binary(&signature),
    );
    for length in [5, 40, text.len() / 2, text.len() - 12] {
        let error = fixture.expect_rejected(&[&cert], &tar, &text[..length]);
        assert!(
            matches!(verify_error(&error), VerifyError::SignatureTruncated),
            "armored, {length}: {error}"
        );
    }
    for length in 1..bytes.len() {
        let error = fixture.expect_rejected(&[&cert], &tar, &bytes[..length]);
        assert!(
            matches!(verify_error(&error), VerifyError::SignatureTruncated),
            "binary, {length}: {error}"
        );
    }
}

#[test]
fn missing_signature() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(4));
    let keyring = fixture.keyring(&[&cert]);
    let error = verify_signature(fixture.unverified(&tar, None), &keyring, now())
        .expect_err("must be rejected");
    assert!(
        matches!(verify_error(&error), VerifyError::NoSignature),
        "{error}"
    );
}

#[test]
fn malformed_signature() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(5));
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
        let error = fixture.expect_rejected(&[&cert], &tar, bytes);
        assert!(
            matches!(verify_error(&error), VerifyError::MalformedSignature(_)),
            "{name}: {error}"
        );
    }
}

#[test]
fn signature_from_the_future() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(12));
    let mut sign = Sign::by(&cert);
    sign.created = now() + DAY;
    let error = fixture.expect_rejected(&[&cert], &tar, &sign.armored(&tar));
    assert!(
        matches!(verify_error(&error), VerifyError::FutureSignature { created, now: then }
            if *created == now() + DAY && *then == now()),
        "{error}"
    );
}

/// Everything is from the future, and the policy of 1970 is not used.
#[test]
fn clock_at_1970() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(13));
    let signature = Sign::by(&cert).armored(&tar);
    let keyring = fixture.keyring(&[&cert]);
    let unverified = fixture.unverified(&tar, Some(&signature));
    let error = verify_signature(unverified, &keyring, SystemTime::UNIX_EPOCH)
        .expect_err("must be rejected");
    assert!(
        matches!(verify_error(&error), VerifyError::FutureSignature { .. }),
        "{error}"
    );

    // A key and a signature of 1975, when Sequoia's policy accepts SHA-1.
    let created = SystemTime::UNIX_EPOCH + 5 * 365 * DAY;
    let old = generate(builder().set_creation_time(SystemTime::UNIX_EPOCH + 365 * DAY));
    let sign = Sign {
        key: old.keys().subkeys().next().unwrap().key().fingerprint(),
        created,
        hash: HashAlgorithm::SHA1,
        ..Sign::by(&cert)
    };
    let sign = Sign { cert: &old, ..sign };
    let keyring = fixture.keyring(&[&old]);
    let unverified = fixture.unverified(&tar, Some(&sign.armored(&tar)));
    let error =
        verify_signature(unverified, &keyring, created + DAY).expect_err("must be rejected");
    assert!(
        matches!(verify_error(&error), VerifyError::WeakDigest(_)),
        "{error}"
    );
}

#[test]
fn weak_digest() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), tar(14));
    for hash in [
        HashAlgorithm::SHA1,
        HashAlgorithm::MD5,
        HashAlgorithm::RipeMD,
    ] {
        let mut sign = Sign::by(&cert);
        sign.hash = hash;
        let error = fixture.expect_rejected(&[&cert], &tar, &sign.armored(&tar));
        assert!(
            matches!(verify_error(&error), VerifyError::WeakDigest(_)),
            "{hash}: {error}"
        );
    }
}

#[test]
fn most_specific_error_of_several_signatures_is_returned() {
    let (fixture, trusted, unknown, tar) = (Fixture::new(), cert(), cert(), tar(15));
    let by_unknown = Sign::by(&unknown).over(&tar);
    let by_other_content = Sign::by(&trusted).over(b"something else");
    for order in [
        [by_unknown.clone(), by_other_content.clone()],
        [by_other_content, by_unknown],
    ] {
        let error = fixture.expect_rejected(&[&trusted], &tar, &armored(&order));
        assert!(
            matches!(verify_error(&error), VerifyError::ContentMismatch),
            "{error}"
        );
    }
}
