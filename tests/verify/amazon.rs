//! Amazon's certificate, and one of the same structure with known secret keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ecs_init::error::Kind;
use ecs_init::verify::{Keyring, Provenance, VerifyError, verify_signature};
use sequoia_openpgp as openpgp;

use openpgp::crypto::KeyPair;
use openpgp::packet::key::{Key4, PrimaryRole, SecretParts, SubordinateRole};
use openpgp::packet::signature::SignatureBuilder;
use openpgp::packet::{Key, UserID};
use openpgp::serialize::MarshalInto;
use openpgp::types::{HashAlgorithm, KeyFlags, SignatureType};
use openpgp::{Cert, Packet};

use crate::fixtures::{DAY, Fixture, Sign, days_ago, now, public, tar, verify_error};

/// The primary key and the two signing subkeys.
const SIGNING_KEYS: [&str; 3] = [
    "F34C3DDAE72926B079BEAEC6BCE9D9A42D51784F",
    "EB3DF841E2C9212A2BD42232DE3CBD61ADAF8B8E",
    "D64BB6F90CF377E9B5FB346F50DECCC4710E61AF",
];

#[test]
fn amazon_signing_keys_are_valid_until_2100() {
    let keyring = Keyring::load(None).expect("the built-in certificate");
    for year in [2026, 2030, 2040, 2070, 2100] {
        let time = UNIX_EPOCH + Duration::from_secs((year - 1970) * 31_556_952);
        assert_eq!(keyring.signing_keys(time), SIGNING_KEYS, "{year}");
    }
}

#[test]
fn pinned_certificate_cannot_be_replaced() {
    let fixture = Fixture::new();
    let other = crate::fixtures::cert();
    let error = Keyring::with_pinned(&public(&other), SIGNING_KEYS[0], None).unwrap_err();
    assert_eq!(error.kind(), Kind::Untrusted, "{error}");
    // Not even together with the right one.
    let amazon = include_bytes!("../../src/verify/amazon-ecs.asc");
    let two = [&amazon[..], &crate::fixtures::public_armored(&other)].concat();
    assert!(Keyring::with_pinned(&two, SIGNING_KEYS[0], None).is_err());
    // Amazon's certificate in the keyring file is the pinned one.
    let file = fixture.file("amazon.asc", amazon);
    let keyring = Keyring::load(Some(&file)).unwrap();
    assert_eq!(keyring.signing_keys(now()), SIGNING_KEYS);
}

/// 2018-03-23, as Amazon's.
fn creation_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_521_830_315)
}

fn key<R: openpgp::packet::key::KeyRole>() -> Key<SecretParts, R>
where
    Key<SecretParts, R>: From<Key4<SecretParts, R>>,
{
    let mut key: Key4<SecretParts, R> = Key4::generate_rsa(2048).expect("generate a key");
    key.set_creation_time(creation_time()).unwrap();
    key.into()
}

fn pair<R: openpgp::packet::key::KeyRole + Clone>(key: &Key<SecretParts, R>) -> KeyPair {
    key.clone().role_into_unspecified().into_keypair().unwrap()
}

fn binding(kind: SignatureType, hash: HashAlgorithm, flags: KeyFlags) -> SignatureBuilder {
    SignatureBuilder::new(kind)
        .set_hash_algo(hash)
        .set_signature_creation_time(creation_time() + Duration::from_secs(1))
        .unwrap()
        .set_key_flags(flags)
        .unwrap()
}

/// A certificate like Amazon's: RSA, from 2018, a primary key that signs and certifies with a SHA-1
/// self-signature, one signing subkey with a SHA-1 binding and one with SHA-256.
fn like_amazons() -> Cert {
    let primary: Key<SecretParts, PrimaryRole> = key();
    let mut signer = pair(&primary);
    let cert = Cert::try_from(vec![Packet::from(primary)]).unwrap();
    let user = UserID::from("Like Amazon <like@example.org>");
    let self_signature = binding(
        SignatureType::PositiveCertification,
        HashAlgorithm::SHA1,
        KeyFlags::empty().set_certification().set_signing(),
    )
    .sign_userid_binding(&mut signer, None, &user)
    .unwrap();
    let mut packets: Vec<Packet> = vec![user.into(), self_signature.into()];
    for hash in [HashAlgorithm::SHA1, HashAlgorithm::SHA256] {
        let subkey: Key<SecretParts, SubordinateRole> = key();
        let mut sub_signer = pair(&subkey);
        let back = SignatureBuilder::new(SignatureType::PrimaryKeyBinding)
            .set_hash_algo(hash)
            .set_signature_creation_time(creation_time() + Duration::from_secs(1))
            .unwrap()
            .sign_primary_key_binding(
                &mut sub_signer,
                &cert.primary_key().key().clone().take_secret().0,
                &subkey,
            )
            .unwrap();
        let signature = binding(
            SignatureType::SubkeyBinding,
            hash,
            KeyFlags::empty().set_signing(),
        )
        .set_embedded_signature(back)
        .unwrap()
        .sign_subkey_binding(&mut signer, None, &subkey)
        .unwrap();
        packets.push(subkey.into());
        packets.push(signature.into());
    }
    let cert = cert.insert_packets(packets).unwrap().0;
    let digests: Vec<_> = cert
        .userids()
        .flat_map(|u| u.self_signatures().cloned().collect::<Vec<_>>())
        .chain(
            cert.keys()
                .subkeys()
                .flat_map(|k| k.self_signatures().cloned().collect::<Vec<_>>()),
        )
        .map(|s| s.hash_algo())
        .collect();
    assert_eq!(
        digests
            .iter()
            .filter(|h| **h == HashAlgorithm::SHA1)
            .count(),
        2,
        "{digests:?}"
    );
    cert
}

/// The self-signatures use SHA-1, the signature of the tar a better digest.
#[test]
fn sha1_only_in_self_signatures_of_pinned_certificate() {
    let (fixture, tar, cert) = (Fixture::new(), tar(1), like_amazons());
    let fingerprint = cert.fingerprint().to_hex();
    let pinned = Keyring::with_pinned(&public(&cert), &fingerprint, None).unwrap();
    let keys: Vec<_> = cert.keys().map(|k| k.key().fingerprint()).collect();
    assert_eq!(keys.len(), 3);
    for key in keys {
        let sign = Sign {
            cert: &cert,
            key: key.clone(),
            created: days_ago(7),
            hash: HashAlgorithm::SHA256,
            kind: SignatureType::Binary,
            valid_for: None,
        };
        // Pinned: accepted, today and much later.
        for time in [now(), now() + 20 * 365 * DAY] {
            let unverified = fixture.unverified(&tar, Some(&sign.armored(&tar)));
            let verified = verify_signature(unverified, &pinned, time).expect("accepted");
            assert!(
                matches!(verified.provenance(), Provenance::Signed { key: k, certificate, .. }
                    if *k == key.to_hex() && *certificate == fingerprint),
                "{:?}",
                verified.provenance()
            );
        }
        // Altered content is rejected.
        let unverified = fixture.unverified(&crate::fixtures::tar(2), Some(&sign.armored(&tar)));
        let error = verify_signature(unverified, &pinned, now()).unwrap_err();
        assert!(
            matches!(verify_error(&error), VerifyError::ContentMismatch),
            "{error}"
        );

        // The same certificate in the keyring file is rejected.
        let error = fixture.expect_rejected(&[&cert], &tar, &sign.armored(&tar));
        assert!(
            matches!(verify_error(&error), VerifyError::WeakCertificate { certificate, why }
                if *certificate == fingerprint && why.contains("SHA1")),
            "{error}"
        );

        // A SHA-1 signature of a tar is rejected, even by the pinned certificate.
        let weak = Sign {
            hash: HashAlgorithm::SHA1,
            ..sign
        };
        let unverified = fixture.unverified(&tar, Some(&weak.armored(&tar)));
        let error = verify_signature(unverified, &pinned, now()).unwrap_err();
        assert!(
            matches!(verify_error(&error), VerifyError::WeakDigest(_)),
            "{error}"
        );
    }
}

/// A newer version of the pinned certificate in the keyring file can add a revocation.
#[test]
fn newer_version_of_pinned_certificate_revokes() {
    let (fixture, tar, cert) = (Fixture::new(), tar(3), like_amazons());
    let fingerprint = cert.fingerprint().to_hex();
    let mut primary = cert
        .primary_key()
        .key()
        .clone()
        .parts_into_secret()
        .unwrap()
        .into_keypair()
        .unwrap();
    let revocation = cert
        .revoke(
            &mut primary,
            openpgp::types::ReasonForRevocation::KeyCompromised,
            b"stolen",
        )
        .unwrap();
    let newer = cert.clone().insert_packets(revocation).unwrap().0;
    let file = fixture.file(
        "newer",
        &newer.strip_secret_key_material().to_vec().unwrap(),
    );
    let keyring = Keyring::with_pinned(&public(&cert), &fingerprint, Some(&file)).unwrap();
    let sign = Sign {
        cert: &cert,
        key: cert.fingerprint(),
        created: days_ago(7),
        hash: HashAlgorithm::SHA256,
        kind: SignatureType::Binary,
        valid_for: None,
    };
    let unverified = fixture.unverified(&tar, Some(&sign.armored(&tar)));
    let error = verify_signature(unverified, &keyring, now()).unwrap_err();
    assert!(
        matches!(verify_error(&error), VerifyError::Revoked(..)),
        "{error}"
    );
}
