//! A key that signs for a mirror.

use std::io::Write;

use sequoia_openpgp::Cert;
use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::stream::{Message, Signer};

pub fn cert() -> Cert {
    let builder = CertBuilder::general_purpose(Some("Mirror <mirror@example.org>"));
    builder.generate().unwrap().0
}

pub fn sign(cert: &Cert, data: &[u8]) -> Vec<u8> {
    let policy = StandardPolicy::new();
    let keys = cert.keys().with_policy(&policy, None).secret();
    let key = keys.for_signing().next().unwrap().key().clone();
    let mut signature = Vec::new();
    let message = Message::new(&mut signature);
    let signer = Signer::new(message, key.into_keypair().unwrap()).unwrap();
    let mut signer = signer.detached().build().unwrap();
    signer.write_all(data).unwrap();
    signer.finalize().unwrap();
    signature
}
