//! Keys, certificates, signatures and tars as the cases need them, made by Sequoia itself.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ecs_init::testing::TempDir;
use ecs_init::types::{TarSource, UnverifiedTar};
use ecs_init::verify::{Keyring, Reason, Refused, Verified};
use sequoia_openpgp as openpgp;

use openpgp::armor::{Kind, Writer};
use openpgp::cert::{CertBuilder, CipherSuite};
use openpgp::packet::Signature;
use openpgp::packet::signature::SignatureBuilder;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::{Marshal, SerializeInto};
use openpgp::types::{HashAlgorithm, KeyFlags, SignatureType};
use openpgp::{Cert, Fingerprint, Packet};

pub const DAY: Duration = Duration::from_secs(86_400);

/// Every case's today. Fixed, so that no case depends on the clock: 2026-11-22.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + 20_779 * DAY
}

pub fn days_ago(days: u32) -> SystemTime {
    now() - days * DAY
}

/// A certificate of the year before last, to be added to: certifying primary, signing subkey.
pub fn builder() -> CertBuilder<'static> {
    CertBuilder::new()
        .add_userid("Mirror <mirror@example.org>")
        .set_cipher_suite(CipherSuite::Cv25519)
        .set_primary_key_flags(KeyFlags::empty().set_certification())
        .set_creation_time(days_ago(700))
        .add_signing_subkey()
}

/// The usual certificate.
pub fn cert() -> Cert {
    generate(builder())
}

pub fn generate(builder: CertBuilder<'_>) -> Cert {
    builder.generate().expect("generate a certificate").0
}

/// The first key with one of these flags.
pub fn key_for(cert: &Cert, flags: &KeyFlags) -> Fingerprint {
    // What a key is for is asked at its creation: afterwards it may be expired or revoked.
    let policy = StandardPolicy::new();
    cert.keys()
        .with_policy(&policy, days_ago(600))
        .key_flags(flags)
        .next()
        .expect("a key with this flag")
        .key()
        .fingerprint()
}

pub fn signing_key(cert: &Cert) -> Fingerprint {
    key_for(cert, &KeyFlags::empty().set_signing())
}

/// A detached signature and everything that can be wrong with it.
pub struct Sign<'c> {
    pub cert: &'c Cert,
    pub key: Fingerprint,
    pub made: SystemTime,
    pub hash: HashAlgorithm,
    pub kind: SignatureType,
    pub valid_for: Option<Duration>,
}

impl<'c> Sign<'c> {
    /// A good one, of last week.
    pub fn by(cert: &'c Cert) -> Self {
        Sign {
            cert,
            key: signing_key(cert),
            made: days_ago(7),
            hash: HashAlgorithm::SHA256,
            kind: SignatureType::Binary,
            valid_for: None,
        }
    }

    pub fn over(&self, data: &[u8]) -> Signature {
        let key = self.cert.keys().secret().key_handle(self.key.clone());
        let mut pair = key
            .into_iter()
            .next()
            .expect("the secret key")
            .key()
            .clone()
            .into_keypair()
            .expect("a key pair");
        let mut builder = SignatureBuilder::new(self.kind)
            .set_hash_algo(self.hash)
            .set_signature_creation_time(self.made)
            .unwrap();
        if let Some(period) = self.valid_for {
            builder = builder.set_signature_validity_period(period).unwrap();
        }
        builder.sign_message(&mut pair, data).expect("sign")
    }

    pub fn armored(&self, data: &[u8]) -> Vec<u8> {
        armored(&[self.over(data)])
    }
}

pub fn binary(signature: &Signature) -> Vec<u8> {
    Packet::from(signature.clone()).to_vec().unwrap()
}

pub fn armored(signatures: &[Signature]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Kind::Signature).unwrap();
    for signature in signatures {
        Packet::from(signature.clone())
            .serialize(&mut writer)
            .unwrap();
    }
    writer.finalize().unwrap()
}

/// A tar of some size, its content different for each `salt`.
pub fn tar(salt: u8) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, size) in [("layer.tar", 300_000_usize), ("manifest.json", 2)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(size as u64);
        header.set_mode(0o644);
        let content: Vec<u8> = (1..=251)
            .cycle()
            .take(size)
            .map(|b: u8| b ^ salt | 1)
            .collect();
        builder
            .append_data(&mut header, name, content.as_slice())
            .unwrap();
    }
    builder.into_inner().unwrap()
}

/// A directory with files, and what is done with them.
pub struct Bench {
    pub dir: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Bench {
            dir: TempDir::new("verify"),
        }
    }

    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        let mut file = File::create(&path).unwrap();
        file.write_all(content).unwrap();
        path
    }

    /// A tar on the disk, as the cache would hand it over.
    pub fn acquired(&self, tar: &[u8], signature: Option<&[u8]>) -> UnverifiedTar {
        let path = self.file("agent.tar", tar);
        let file = File::open(&path).unwrap();
        UnverifiedTar::new(file, signature.map(<[u8]>::to_vec), TarSource::Cache(path))
    }

    /// Amazon's certificate and these.
    pub fn keyring(&self, certs: &[&Cert]) -> Keyring {
        let mut ring = Vec::new();
        for cert in certs {
            ring.extend(public(cert));
        }
        Keyring::load(Some(&self.file("ring", &ring))).expect("load the keyring")
    }

    pub fn judge(
        &self,
        trusted: &[&Cert],
        tar: &[u8],
        signature: &[u8],
    ) -> Result<Verified, Refused> {
        let keyring = self.keyring(trusted);
        ecs_init::verify::signature(self.acquired(tar, Some(signature)), &keyring, now())
    }

    /// The reason of a refusal, after a look at its words: they name the tar's source.
    pub fn refusal(&self, trusted: &[&Cert], tar: &[u8], signature: &[u8]) -> Reason {
        let refused = self
            .judge(trusted, tar, signature)
            .expect_err("must be refused");
        let words = refused.to_string();
        assert!(
            words.starts_with("the tar from the cache (/") && words.contains("agent.tar"),
            "{words}"
        );
        println!("{words}");
        refused.into_reason()
    }
}

/// The public part, binary.
pub fn public(cert: &Cert) -> Vec<u8> {
    cert.clone().strip_secret_key_material().to_vec().unwrap()
}

/// The public part, armored.
pub fn public_armored(cert: &Cert) -> Vec<u8> {
    let cert = cert.clone().strip_secret_key_material();
    cert.armored().to_vec().unwrap()
}
