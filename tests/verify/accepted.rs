//! What is good is accepted, and told.

use std::io::Read;

use ecs_init::verify::{Keyring, Provenance};
use sequoia_openpgp::cert::CipherSuite;
use sequoia_openpgp::types::{HashAlgorithm, KeyFlags};

use crate::make::{
    Bench, DAY, Sign, armored, binary, builder, cert, days_ago, generate, now, public_armored,
    signing_key, tar,
};

#[test]
fn armored_and_binary() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(1));
    let signature = Sign::by(&cert).over(&tar);
    for bytes in [
        armored(std::slice::from_ref(&signature)),
        binary(&signature),
    ] {
        let verified = bench.judge(&[&cert], &tar, &bytes).expect("accepted");
        let Provenance::Signed {
            certificate,
            key,
            made,
            user,
        } = verified.provenance()
        else {
            panic!("{:?}", verified.provenance());
        };
        assert_eq!(*certificate, cert.fingerprint().to_hex());
        assert_eq!(*key, signing_key(&cert).to_hex());
        assert_eq!(*made, days_ago(7));
        assert_eq!(user, "Mirror <mirror@example.org>");
        assert_eq!(verified.len(), tar.len() as u64);

        let told = verified.to_string();
        for fact in [
            verified.sha256(),
            cert.fingerprint().to_hex(),
            signing_key(&cert).to_hex(),
            "Mirror <mirror@example.org>".into(),
            "2026-11-15T00:00:00Z".into(),
        ] {
            assert!(told.contains(&fact), "{fact} in\n{told}");
        }

        // Both ways to read it begin at its first byte, and again.
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
fn the_digest_is_that_of_sha256sum() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(2));
    let verified = bench
        .judge(&[&cert], &tar, &Sign::by(&cert).armored(&tar))
        .unwrap();
    let output = std::process::Command::new("sha256sum")
        .arg(bench.file("copy", &tar))
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
fn every_usual_kind_of_key_and_digest() {
    let (bench, tar) = (Bench::new(), tar(3));
    // RSA-4096, Amazon's kind, is GnuPG's case: it makes such a key in a second.
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
            let verdict = bench.judge(&[&cert], &tar, &sign.armored(&tar));
            assert!(verdict.is_ok(), "{suite:?} {hash}: {verdict:?}");
        }
    }
}

#[test]
fn a_primary_key_that_may_sign() {
    let (bench, tar) = (Bench::new(), tar(4));
    let flags = KeyFlags::empty().set_certification().set_signing();
    let cert = generate(builder().set_primary_key_flags(flags));
    let mut sign = Sign::by(&cert);
    sign.key = cert.fingerprint();
    let verdict = bench.judge(&[&cert], &tar, &sign.armored(&tar));
    assert!(verdict.is_ok(), "{verdict:?}");
}

#[test]
fn one_good_signature_of_several_is_enough() {
    let (bench, trusted, unknown, tar) = (Bench::new(), cert(), cert(), tar(5));
    let good = Sign::by(&trusted).over(&tar);
    let strange = Sign::by(&unknown).over(&tar);
    let wrong = Sign::by(&trusted).over(b"something else");
    let both = [strange.clone(), wrong, good.clone()];
    // In one block, and in blocks one after the other.
    let blocks = [armored(&[strange]), armored(&[good])].concat();
    for bytes in [armored(&both), blocks] {
        let verdict = bench.judge(&[&trusted], &tar, &bytes);
        assert!(verdict.is_ok(), "{verdict:?}");
    }
}

#[test]
fn a_keyring_of_several_certificates_however_written() {
    let (bench, first, second, tar) = (Bench::new(), cert(), cert(), tar(6));
    let signature = Sign::by(&second).armored(&tar);
    let armored = [public_armored(&first), public_armored(&second)].concat();
    let keyring = Keyring::load(Some(&bench.file("armored", &armored))).unwrap();
    let acquired = bench.acquired(&tar, Some(&signature));
    let verdict = ecs_init::verify::signature(acquired, &keyring, now());
    assert!(verdict.is_ok(), "{verdict:?}");
    let verdict = bench.judge(&[&first, &second], &tar, &signature);
    assert!(verdict.is_ok(), "{verdict:?}");
}

#[test]
fn a_signature_that_will_expire_and_a_signer_whose_clock_is_ahead() {
    let (bench, cert, tar) = (Bench::new(), cert(), tar(7));
    let mut sign = Sign::by(&cert);
    sign.valid_for = Some(30 * DAY);
    assert!(bench.judge(&[&cert], &tar, &sign.armored(&tar)).is_ok());
    sign.made = now() + DAY / 1440;
    assert!(bench.judge(&[&cert], &tar, &sign.armored(&tar)).is_ok());
}
