//! Which certificates are trusted, and under which policy each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sequoia_openpgp::armor::Kind as ArmorKind;
use sequoia_openpgp::cert::CertParser;
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::policy::{HashAlgoSecurity, StandardPolicy};
use sequoia_openpgp::types::HashAlgorithm;
use sequoia_openpgp::{Cert, Fingerprint};

use super::armor::{self, Broken};
use crate::error::{Context, Error, Kind, Result};

/// Amazon's certificate, as the ECS Developer Guide prints it.
const AMAZON: &[u8] = include_bytes!("amazon-ecs.asc");

/// The fingerprint that Amazon's certificate is pinned to.
const AMAZON_FINGERPRINT: &str = "F34C3DDAE72926B079BEAEC6BCE9D9A42D51784F";

/// The largest file of further certificates, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// 2026-01-01: no policy is older than this program. A host whose clock stands at 1970 must not
/// fall back to what was good enough then.
const POLICY_FLOOR: Duration = Duration::from_secs(1_767_225_600);

/// The trusted certificates.
///
/// Two groups, for two policies. The *pinned* certificate is compiled in, and its SHA-1
/// self-signatures of 2018 are accepted: to abuse them takes a second preimage of SHA-1, which
/// nobody can make. Every *further* certificate meets Sequoia's `StandardPolicy` as it comes,
/// which knows no SHA-1. Data signed over SHA-1 is accepted from neither: there a mere collision
/// would do, and those can be bought.
#[derive(Debug)]
pub struct Keyring {
    pinned: Vec<Cert>,
    further: Vec<Cert>,
}

/// Certificates that are judged by one policy.
pub(super) struct Group<'k> {
    pub certs: &'k [Cert],
    pub policy: StandardPolicy<'static>,
}

impl Keyring {
    /// Amazon's certificate, and those in the file `further` (`ECS_INIT_KEYRING`), armored or
    /// binary, any number. A newer edition of Amazon's own in that file is merged into the pinned
    /// one, so that a revocation or a new subkey can be brought in.
    ///
    /// # Errors
    /// The file cannot be read, is no keyring, or holds a secret key; named with its path.
    pub fn load(further: Option<&Path>) -> Result<Keyring> {
        Keyring::pinned_to(AMAZON, AMAZON_FINGERPRINT, further)
    }

    /// The same with another pinned certificate. Nobody but Amazon can sign with Amazon's keys, so
    /// this is how tests take a certificate of the same making through the same code.
    ///
    /// # Errors
    /// As [`Keyring::load`]; and when `certificate` is not the one with this fingerprint.
    #[doc(hidden)]
    pub fn pinned_to(
        certificate: &[u8],
        fingerprint: &str,
        further: Option<&Path>,
    ) -> Result<Keyring> {
        let expected: Fingerprint = fingerprint.parse().map_err(|_| {
            Error::new(
                Kind::InvalidInput,
                format!("{fingerprint} is no OpenPGP fingerprint"),
            )
        })?;
        let mut certs = parse(certificate).map_err(|why| {
            Error::new(
                Kind::InvalidInput,
                format!("the certificate compiled in: {why}"),
            )
        })?;
        let pinned = certs.remove(&expected).filter(|_| certs.is_empty());
        let Some(mut pinned) = pinned else {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "the certificate compiled in is not {fingerprint}: this program was altered"
                ),
            ));
        };
        let mut further = match further {
            Some(path) => read(path)?,
            None => BTreeMap::new(),
        };
        if let Some(newer) = further.remove(&expected) {
            pinned = pinned.merge_public(newer).map_err(|e| {
                Error::new(
                    Kind::InvalidInput,
                    format!("the keyring's copy of {fingerprint} is broken: {e}"),
                )
            })?;
        }
        Ok(Keyring {
            pinned: vec![pinned],
            further: further.into_values().collect(),
        })
    }

    /// The groups, their policies as of `now`.
    pub(super) fn groups(&self, now: SystemTime) -> [Group<'_>; 2] {
        let plain = StandardPolicy::at(now.max(UNIX_EPOCH + POLICY_FLOOR));
        let mut lenient = plain.clone();
        lenient.accept_hash_property(
            HashAlgorithm::SHA1,
            HashAlgoSecurity::SecondPreImageResistance,
        );
        [
            Group {
                certs: &self.pinned,
                policy: lenient,
            },
            Group {
                certs: &self.further,
                policy: plain,
            },
        ]
    }

    /// The fingerprints of the keys by which a signature made at `now` would be accepted, in the
    /// order of the certificates.
    #[must_use]
    pub fn signing_keys(&self, now: SystemTime) -> Vec<String> {
        self.groups(now)
            .iter()
            .flat_map(|group| {
                group.certs.iter().flat_map(|cert| {
                    cert.keys()
                        .with_policy(&group.policy, now)
                        .supported()
                        .alive()
                        .revoked(false)
                        .for_signing()
                        .map(|key| key.key().fingerprint().to_hex())
                })
            })
            .collect()
    }
}

/// A file of further certificates.
fn read(path: &Path) -> Result<BTreeMap<Fingerprint, Cert>> {
    let doing = || format!("read the keyring {} (ECS_INIT_KEYRING)", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .context(doing)?;
    if bytes.len() as u64 > MAX_FILE {
        let why = Error::new(
            Kind::InvalidInput,
            format!("it is larger than {MAX_FILE} bytes"),
        );
        return Err(Error::with_source(Kind::InvalidInput, doing(), why));
    }
    parse(&bytes).map_err(|why| {
        Error::with_source(
            Kind::InvalidInput,
            doing(),
            Error::new(Kind::InvalidInput, why),
        )
    })
}

/// Every certificate of a file by its fingerprint, two editions of one merged; at least one.
fn parse(bytes: &[u8]) -> Result<BTreeMap<Fingerprint, Cert>, String> {
    let blocks = armor::blocks(bytes, ArmorKind::PublicKey).map_err(|broken| match broken {
        Broken::Empty => "it is empty".to_owned(),
        Broken::CutShort => "it was cut short: a block has no END line".to_owned(),
        Broken::Malformed(why) => why,
    })?;
    let mut certs: BTreeMap<Fingerprint, Cert> = BTreeMap::new();
    let broken = |e| format!("it holds what is no usable certificate ({e})");
    for block in blocks {
        for cert in CertParser::from_bytes(&block).map_err(broken)? {
            let cert = cert.map_err(broken)?;
            let fingerprint = cert.fingerprint();
            if cert.is_tsk() {
                return Err(format!(
                    "it holds the secret key of {fingerprint}, which is no business of this host; \
                     export the public certificate only"
                ));
            }
            let cert = match certs.remove(&fingerprint) {
                Some(known) => known.merge_public(cert).map_err(|e| e.to_string())?,
                None => cert,
            };
            certs.insert(fingerprint, cert);
        }
    }
    if certs.is_empty() {
        return Err("it holds no certificate".to_owned());
    }
    Ok(certs)
}
