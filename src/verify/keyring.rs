//! The trusted certificates, and the policy for each.

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

use super::armor::{self, ArmorError};
use crate::error::{Context, Error, Kind, Result};

/// Amazon's certificate, as the ECS Developer Guide prints it.
const AMAZON: &[u8] = include_bytes!("amazon-ecs.asc");

/// The fingerprint that Amazon's certificate is pinned to.
const AMAZON_FINGERPRINT: &str = "F34C3DDAE72926B079BEAEC6BCE9D9A42D51784F";

/// The largest keyring file, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// 2026-01-01, the earliest time of a policy: a host whose clock is at 1970 must not accept
/// algorithms that were secure then.
const POLICY_FLOOR: Duration = Duration::from_secs(1_767_225_600);

/// The trusted certificates.
///
/// They form two groups with two policies. The *pinned* certificate is compiled in, and its SHA-1
/// self-signatures of 2018 are accepted: an attack would need a second preimage of SHA-1, which is
/// infeasible. Each *additional* certificate must satisfy Sequoia's `StandardPolicy`, which rejects
/// SHA-1. A SHA-1 signature of a tar is never accepted: an attack would need only a collision,
/// which is feasible.
#[derive(Debug)]
pub struct Keyring {
    pinned: Vec<Cert>,
    additional: Vec<Cert>,
}

/// Certificates with the same policy.
pub(super) struct CertGroup<'k> {
    pub certs: &'k [Cert],
    pub policy: StandardPolicy<'static>,
}

impl Keyring {
    /// Amazon's certificate, and those in the file `additional` (`ECS_INIT_KEYRING`), armored or
    /// binary. A newer version of Amazon's certificate in that file is merged into the pinned one,
    /// and can add a revocation or a subkey.
    ///
    /// # Errors
    /// [`Kind::Io`] if the file cannot be read, [`InvalidInput`](crate::error::Kind::InvalidInput) if it is not a keyring or
    /// has a secret key.
    pub fn load(additional: Option<&Path>) -> Result<Keyring> {
        Keyring::with_pinned(AMAZON, AMAZON_FINGERPRINT, additional)
    }

    /// The same with another pinned certificate, for tests: only Amazon can sign with Amazon's.
    ///
    /// # Errors
    /// As [`Keyring::load`]; [`Kind::Untrusted`] if `certificate` has another fingerprint.
    #[doc(hidden)]
    pub fn with_pinned(
        certificate: &[u8],
        fingerprint: &str,
        additional: Option<&Path>,
    ) -> Result<Keyring> {
        let expected: Fingerprint = fingerprint
            .parse()
            .map_err(|_| Error::invalid(format!("not an OpenPGP fingerprint: {fingerprint}")))?;
        let mut certs = parse(certificate).context(|| "read the built-in certificate")?;
        let pinned = certs.remove(&expected).filter(|_| certs.is_empty());
        let Some(mut pinned) = pinned else {
            return Err(Error::new(
                Kind::Untrusted,
                format!("the built-in certificate is not {fingerprint}: ecs-init was modified"),
            ));
        };
        let mut additional = match additional {
            Some(path) => read(path)?,
            None => BTreeMap::new(),
        };
        if let Some(newer) = additional.remove(&expected) {
            pinned = pinned.merge_public(newer).map_err(|e| {
                let context = format!("merge the keyring's copy of {fingerprint}");
                Error::with_source(Kind::InvalidInput, context, e)
            })?;
        }
        Ok(Keyring {
            pinned: vec![pinned],
            additional: additional.into_values().collect(),
        })
    }

    /// The groups, with their policies as of `now`.
    pub(super) fn groups(&self, now: SystemTime) -> [CertGroup<'_>; 2] {
        let standard = StandardPolicy::at(now.max(UNIX_EPOCH + POLICY_FLOOR));
        let mut with_sha1 = standard.clone();
        with_sha1.accept_hash_property(
            HashAlgorithm::SHA1,
            HashAlgoSecurity::SecondPreImageResistance,
        );
        [
            CertGroup {
                certs: &self.pinned,
                policy: with_sha1,
            },
            CertGroup {
                certs: &self.additional,
                policy: standard,
            },
        ]
    }

    /// The fingerprints of the keys whose signature, made at `now`, would be accepted.
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

/// Reads a keyring file.
fn read(path: &Path) -> Result<BTreeMap<Fingerprint, Cert>> {
    let context = || format!("read the keyring {} (ECS_INIT_KEYRING)", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .context(context)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::invalid(format!("longer than {MAX_FILE} bytes"))).context(context);
    }
    parse(&bytes).context(context)
}

/// The certificates of a keyring file, at least one, by fingerprint. Two versions of the same are
/// merged.
fn parse(bytes: &[u8]) -> Result<BTreeMap<Fingerprint, Cert>> {
    let blocks = armor::blocks(bytes, ArmorKind::PublicKey).map_err(|error| match error {
        ArmorError::Empty => Error::invalid("empty"),
        ArmorError::Truncated => Error::invalid("truncated: a block has no END line"),
        ArmorError::Malformed(why) => Error::invalid(why),
    })?;
    let mut certs: BTreeMap<Fingerprint, Cert> = BTreeMap::new();
    let unusable = |e| Error::with_source(Kind::InvalidInput, "unusable certificate", e);
    for block in blocks {
        for cert in CertParser::from_bytes(&block).map_err(unusable)? {
            let cert = cert.map_err(unusable)?;
            let fingerprint = cert.fingerprint();
            if cert.is_tsk() {
                return Err(Error::invalid(format!(
                    "it has the secret key of {fingerprint}; export only the public certificate"
                )));
            }
            let cert = match certs.remove(&fingerprint) {
                Some(known) => known.merge_public(cert).map_err(unusable)?,
                None => cert,
            };
            certs.insert(fingerprint, cert);
        }
    }
    if certs.is_empty() {
        return Err(Error::invalid("no certificate in it"));
    }
    Ok(certs)
}
