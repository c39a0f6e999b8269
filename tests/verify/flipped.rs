//! Every bit of a signature and of a keyring, one after the other: never a panic, never a wrong yes.

use ecs_init::types::{TarSource, UnverifiedTar};
use ecs_init::verify::{Keyring, signature};
use std::fs::File;

use crate::make::{Bench, Sign, binary, cert, now, public};

#[test]
fn a_flipped_bit_in_a_signature_changes_nothing_or_refuses() {
    let (bench, cert, tar) = (Bench::new(), cert(), vec![7; 2048]);
    let keyring = bench.keyring(&[&cert]);
    let good = binary(&Sign::by(&cert).over(&tar));
    let path = bench.file("agent.tar", &tar);
    let judge = |bytes: &[u8]| {
        let file = File::open(&path).unwrap();
        let acquired =
            UnverifiedTar::new(file, Some(bytes.to_vec()), TarSource::File(path.clone()));
        signature(acquired, &keyring, now())
    };
    let expected = judge(&good).expect("accepted").provenance().clone();
    let mut refused = 0;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match judge(&bytes) {
            // The unhashed area is not signed: RFC 9580, section 5.2.3.
            Ok(verified) => assert_eq!(*verified.provenance(), expected, "bit {bit}"),
            Err(_) => refused += 1,
        }
    }
    // What is signed and the signature proper are far more than half of it.
    assert!(refused > good.len() * 8 / 2, "{refused}");
}

#[test]
fn a_flipped_bit_in_a_keyring_is_an_error_or_another_certificate() {
    let (bench, cert) = (Bench::new(), cert());
    let good = public(&cert);
    let expected = Keyring::load(Some(&bench.file("ring", &good))).unwrap();
    let keys = expected.signing_keys(now());
    assert_eq!(keys.len(), 4);
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(keyring) = Keyring::load(Some(&bench.file("ring", &bytes))) {
            // No key comes in by an accident: nobody signed for it.
            for key in keyring.signing_keys(now()) {
                assert!(keys.contains(&key), "bit {bit}: {key}");
            }
        }
    }
}
