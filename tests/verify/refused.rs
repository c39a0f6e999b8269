//! What is not good is refused, each with its own reason.

use std::time::SystemTime;

use ecs_init::verify::{Reason, Subject};
use sequoia_openpgp as openpgp;

use openpgp::Cert;
use openpgp::cert::{CertRevocationBuilder, CipherSuite, SubkeyRevocationBuilder};
use openpgp::types::{HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType};

use crate::make::{
    Bench, DAY, Sign, armored, binary, builder, cert, days_ago, generate, key_for, now,
    signing_key, tar,
};

#[test]
fn altered() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(1));
    let signature = Sign::by(&cert).armored(&tar);
    for at in [0, 1000, tar.len() / 2, tar.len() - 1500] {
        let mut other = tar.clone();
        other[at] ^= 0x20;
        let reason = bench.refusal(&[&cert], &other, &signature);
        assert!(matches!(reason, Reason::Altered), "byte {at}: {reason:?}");
    }
    // Longer by a block, and still with the end of an archive.
    let longer = [tar.clone(), vec![0; 512]].concat();
    let reason = bench.refusal(&[&cert], &longer, &signature);
    assert!(matches!(reason, Reason::Altered), "{reason:?}");
}

#[test]
fn a_tar_cut_short() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(2));
    let signature = Sign::by(&cert).armored(&tar);
    for length in [0, tar.len() - 1, tar.len() - 1024, 200_000, 200_192] {
        let reason = bench.refusal(&[&cert], &tar[..length], &signature);
        assert!(matches!(reason, Reason::CutShort), "{length}: {reason:?}");
    }
}

#[test]
fn a_signature_cut_short() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(3));
    let signature = Sign::by(&cert).over(&tar);
    let (text, bytes) = (
        armored(std::slice::from_ref(&signature)),
        binary(&signature),
    );
    for length in [5, 40, text.len() / 2, text.len() - 12] {
        let reason = bench.refusal(&[&cert], &tar, &text[..length]);
        assert!(
            matches!(reason, Reason::SignatureCutShort),
            "armored, {length}: {reason:?}"
        );
    }
    for length in 1..bytes.len() {
        let reason = bench.refusal(&[&cert], &tar, &bytes[..length]);
        assert!(
            matches!(reason, Reason::SignatureCutShort),
            "binary, {length}: {reason:?}"
        );
    }
}

#[test]
fn no_signature_at_all() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(4));
    let keyring = bench.keyring(&[&cert]);
    let refused = ecs_init::verify::signature(bench.acquired(&tar, None), &keyring, now())
        .expect_err("must be refused");
    assert!(matches!(refused.reason(), Reason::Unsigned), "{refused}");
    assert!(refused.to_string().contains("ECS_INIT_ALLOW_UNSIGNED=true"));
}

#[test]
fn what_is_no_signature() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(5));
    let good = binary(&Sign::by(&cert).over(&tar));
    let public_key = crate::make::public(&cert);
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
        let reason = bench.refusal(&[&cert], &tar, bytes);
        assert!(matches!(reason, Reason::Malformed(_)), "{name}: {reason:?}");
    }
}

#[test]
fn an_unknown_key() {
    let (bench, trusted, unknown, tar) = (Bench::new(), cert(), cert(), tar(6));
    let reason = bench.refusal(&[&trusted], &tar, &Sign::by(&unknown).armored(&tar));
    let expected = signing_key(&unknown).to_hex();
    assert!(
        matches!(&reason, Reason::UnknownKey(key) if *key == expected),
        "{reason:?}"
    );
}

#[test]
fn a_key_for_something_else() {
    let (bench, tar) = (Bench::new(), tar(7));
    // RSA, because only such an encryption key can be made to sign.
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
        let reason = bench.refusal(&[&cert], &tar, &sign.armored(&tar));
        let expected = sign.key.to_hex();
        assert!(
            matches!(&reason, Reason::WrongKeyUsage(key) if *key == expected),
            "{flags:?}: {reason:?}"
        );
    }
}

#[test]
fn an_expired_certificate_also_for_what_was_signed_before() {
    let (bench, tar) = (Bench::new(), tar(8));
    let cert = generate(builder().set_validity_period(690 * DAY));
    // Ten days ago it expired. Before that it was good; what is after could be backdated.
    for made in [days_ago(7), days_ago(100)] {
        let mut sign = Sign::by(&cert);
        sign.made = made;
        let reason = bench.refusal(&[&cert], &tar, &sign.armored(&tar));
        let Reason::Expired(Subject::Certificate(fingerprint), Some(when)) = &reason else {
            panic!("{reason:?}");
        };
        assert_eq!(*fingerprint, cert.fingerprint().to_hex());
        assert_eq!(*when, days_ago(10));
    }
}

#[test]
fn an_expired_subkey() {
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
    let reason = bench.refusal(&[&cert], &tar, &sign.armored(&tar));
    let expected = sign.key.to_hex();
    assert!(
        matches!(&reason, Reason::Expired(Subject::Key(key), Some(when))
            if *key == expected && *when == days_ago(10)),
        "{reason:?}"
    );
}

#[test]
fn signed_before_the_key_was_made() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(16));
    let mut sign = Sign::by(&cert);
    sign.made = days_ago(701);
    let reason = bench.refusal(&[&cert], &tar, &sign.armored(&tar));
    assert!(
        matches!(reason, Reason::BeforeItsKey { made, .. } if made == days_ago(701)),
        "{reason:?}"
    );
}

#[test]
fn an_expired_signature() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(10));
    let mut sign = Sign::by(&cert);
    sign.valid_for = Some(3 * DAY);
    let reason = bench.refusal(&[&cert], &tar, &sign.armored(&tar));
    assert!(
        matches!(reason, Reason::Expired(Subject::Signature, Some(when)) if when == days_ago(4)),
        "{reason:?}"
    );
}

/// The certificate with its own revocation, of ten days ago.
fn revoked(cert: &Cert, code: ReasonForRevocation, subkey: bool) -> Cert {
    let mut primary = cert
        .primary_key()
        .key()
        .clone()
        .parts_into_secret()
        .unwrap()
        .into_keypair()
        .unwrap();
    let words = b"a word from\nits owner";
    let signature = if subkey {
        let key = cert.keys().subkeys().next().unwrap();
        SubkeyRevocationBuilder::new()
            .set_signature_creation_time(days_ago(10))
            .unwrap()
            .set_reason_for_revocation(code, words)
            .unwrap()
            .build(&mut primary, cert, key.key(), None)
            .unwrap()
    } else {
        CertRevocationBuilder::new()
            .set_signature_creation_time(days_ago(10))
            .unwrap()
            .set_reason_for_revocation(code, words)
            .unwrap()
            .build(&mut primary, cert, None)
            .unwrap()
    };
    cert.clone().insert_packets(signature).unwrap().0
}

#[test]
fn revoked_hard_and_soft_certificate_and_subkey_whenever_it_signed() {
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
                let reason = bench.refusal(&[&cert], &tar, &sign.armored(&tar));
                let Reason::Revoked(subject, words) = &reason else {
                    panic!("{code}, subkey {subkey}: {reason:?}");
                };
                let expected = if subkey {
                    Subject::Key(sign.key.to_hex())
                } else {
                    Subject::Certificate(cert.fingerprint().to_hex())
                };
                assert_eq!(*subject, expected);
                assert!(words.contains("a word from its owner"), "{words}");
            }
        }
    }
}

#[test]
fn from_the_future() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(12));
    let mut sign = Sign::by(&cert);
    sign.made = now() + DAY;
    let reason = bench.refusal(&[&cert], &tar, &sign.armored(&tar));
    assert!(
        matches!(reason, Reason::FromTheFuture { made, now: then }
            if made == now() + DAY && then == now()),
        "{reason:?}"
    );
}

/// A host without a clock stands at 1970: everything is from the future, and no old policy counts.
#[test]
fn a_clock_that_was_never_set() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(13));
    let signature = Sign::by(&cert).armored(&tar);
    let keyring = bench.keyring(&[&cert]);
    let acquired = bench.acquired(&tar, Some(&signature));
    let refused = ecs_init::verify::signature(acquired, &keyring, SystemTime::UNIX_EPOCH)
        .expect_err("must be refused");
    assert!(refused.to_string().contains("set the clock"), "{refused}");

    // A key and a signature of 1975, when by the calendar SHA-1 was still good.
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
    let acquired = bench.acquired(&tar, Some(&sign.armored(&tar)));
    let refused =
        ecs_init::verify::signature(acquired, &keyring, made + DAY).expect_err("must be refused");
    assert!(
        matches!(refused.reason(), Reason::WeakDigest(_)),
        "{refused}"
    );
}

#[test]
fn only_a_weak_digest() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(14));
    for hash in [
        HashAlgorithm::SHA1,
        HashAlgorithm::MD5,
        HashAlgorithm::RipeMD,
    ] {
        let mut sign = Sign::by(&cert);
        sign.hash = hash;
        let reason = bench.refusal(&[&cert], &tar, &sign.armored(&tar));
        assert!(
            matches!(reason, Reason::WeakDigest(_)),
            "{hash}: {reason:?}"
        );
    }
}

#[test]
fn of_several_the_one_that_got_furthest_is_told() {
    let (bench, trusted, unknown, tar) = (Bench::new(), cert(), cert(), tar(15));
    let strange = Sign::by(&unknown).over(&tar);
    let wrong = Sign::by(&trusted).over(b"something else");
    for order in [[strange.clone(), wrong.clone()], [wrong, strange]] {
        let reason = bench.refusal(&[&trusted], &tar, &armored(&order));
        assert!(matches!(reason, Reason::Altered), "{reason:?}");
    }
}
