//! Each bit of a signature and of a keyring flipped: no panic, no false acceptance.

use ecs_init::types::{TarSource, UnverifiedTar};
use ecs_init::verify::{Keyring, verify_signature};
use std::fs::File;

use crate::fixtures::{Fixture, Sign, binary, cert, now, public};

#[test]
fn bit_flip_in_signature_is_rejected_or_without_effect() {
    let (fixture, cert, tar) = (Fixture::new(), cert(), vec![7; 2048]);
    let keyring = fixture.keyring(&[&cert]);
    let good = binary(&Sign::by(&cert).over(&tar));
    let path = fixture.file("agent.tar", &tar);
    let verify = |bytes: &[u8]| {
        let file = File::open(&path).unwrap();
        let unverified =
            UnverifiedTar::new(file, Some(bytes.to_vec()), TarSource::File(path.clone()));
        verify_signature(unverified, &keyring, now())
    };
    let expected = verify(&good).expect("accepted").provenance().clone();
    let mut rejected = 0;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match verify(&bytes) {
            // The unhashed area (RFC 9580, section 5.2.3) is not signed.
            Ok(verified) => assert_eq!(*verified.provenance(), expected, "bit {bit}"),
            Err(_) => rejected += 1,
        }
    }
    // The signed area and the signature itself are more than half of the packet.
    assert!(rejected > good.len() * 8 / 2, "{rejected}");
}

#[test]
fn bit_flip_in_keyring_adds_no_key() {
    let (fixture, cert) = (Fixture::new(), cert());
    let good = public(&cert);
    let expected = Keyring::load(Some(&fixture.file("ring", &good))).unwrap();
    let keys = expected.signing_keys(now());
    assert_eq!(keys.len(), 4);
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(keyring) = Keyring::load(Some(&fixture.file("ring", &bytes))) {
            // A new key would need a valid self-signature.
            for key in keyring.signing_keys(now()) {
                assert!(keys.contains(&key), "bit {bit}: {key}");
            }
        }
    }
}
