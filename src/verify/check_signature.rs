//! Checks the signatures of a tar. Only Sequoia's verifier accepts a signature; the other checks
//! can only reject one, with a more precise error.

use std::fs::File;
use std::time::{Duration, SystemTime};

use sequoia_openpgp::cert::amalgamation::ValidAmalgamation;
use sequoia_openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::packet::key::PublicParts;
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper,
};
use sequoia_openpgp::policy::{HashAlgoSecurity, Policy, StandardPolicy};
use sequoia_openpgp::serialize::MarshalInto;
use sequoia_openpgp::types::SignatureType;
use sequoia_openpgp::{Cert, KeyHandle};

use super::check_key::{check_key, error_chain};
use super::keyring::{CertGroup, Keyring};
use super::tar_file::HashingReader;
use super::{Provenance, Subject, VerifyError};

/// How far the signer's clock may be ahead of this host's.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// Accepts a tar with one valid signature; returns the signer, and the reader that read and hashed
/// the tar. The tar is read at most once per group of certificates, and not at all if the metadata
/// of every signature is invalid.
///
/// # Errors
/// The error of the signature that passed the most checks.
pub(super) fn check<'f>(
    signatures: &[Signature],
    keyring: &Keyring,
    now: SystemTime,
    tar: &'f File,
) -> Result<(Provenance, HashingReader<'f>), VerifyError> {
    let mut errors = Vec::new();
    for group in keyring.groups(now) {
        let mut candidates = Vec::new();
        for signature in signatures {
            match check_metadata(signature, &group, now) {
                Ok(()) => candidates.push(signature),
                Err(error) => errors.push(error),
            }
        }
        if candidates.is_empty() {
            continue;
        }
        let mut reader = HashingReader::new(tar).map_err(VerifyError::Io)?;
        match check_content(&candidates, &group, now, &mut reader) {
            Ok(provenance) => return Ok((provenance, reader)),
            Err(more) => errors.extend(more),
        }
    }
    // If several signatures have the same progress, the error of the first one. `max_by_key`
    // returns the last, hence `rev`.
    Err(errors
        .into_iter()
        .rev()
        .max_by_key(VerifyError::progress)
        .unwrap_or(VerifyError::NoSignature))
}

/// Checks a signature without the tar.
fn check_metadata(
    signature: &Signature,
    group: &CertGroup<'_>,
    now: SystemTime,
) -> Result<(), VerifyError> {
    // A text signature (RFC 9580, section 5.2.1.2) covers normalized line ends: it would also be
    // valid for other tars.
    if signature.typ() != SignatureType::Binary {
        return Err(VerifyError::MalformedSignature(format!(
            "a {}, not a signature of binary data",
            signature.typ()
        )));
    }
    let created = creation_time(signature)?;
    let issuers = signature.get_issuers();
    let Some(issuer) = issuers.iter().max_by_key(|i| i.as_bytes().len()) else {
        return Err(VerifyError::MalformedSignature("without an issuer".into()));
    };
    if created > now + CLOCK_SKEW {
        return Err(VerifyError::FutureSignature { created, now });
    }
    let mut result = Err(VerifyError::UnknownKey(issuer.to_hex()));
    for cert in group.certs {
        // A key ID may be ambiguous: one valid key is enough.
        for key in cert.keys().key_handles(issuers.iter()) {
            if result.is_err() {
                result = check_key(cert, &key.key().key_handle(), &group.policy, created, now);
            }
        }
    }
    result?;
    let today = now.max(created);
    if let Some(expires) = signature.signature_expiration_time()
        && expires <= today
    {
        return Err(VerifyError::Expired(Subject::Signature, Some(expires)));
    }
    check_policy(signature, &group.policy)
}

fn creation_time(signature: &Signature) -> Result<SystemTime, VerifyError> {
    let time = signature.signature_creation_time();
    time.ok_or_else(|| VerifyError::MalformedSignature("without a creation time".into()))
}

/// Checks a signature of data with the policy, mainly its hash algorithm.
fn check_policy(signature: &Signature, policy: &StandardPolicy<'_>) -> Result<(), VerifyError> {
    let security = HashAlgoSecurity::CollisionResistance;
    policy.signature(signature, security).map_err(|error| {
        let algorithm = signature.hash_algo();
        // Every cutoff is earlier than the time of the policy (see `POLICY_FLOOR`).
        if policy.hash_cutoff(algorithm, security).is_some() {
            VerifyError::WeakDigest(algorithm.to_string())
        } else {
            VerifyError::MalformedSignature(error_chain(error.as_ref()))
        }
    })
}

/// Runs Sequoia's verifier over the tar.
fn check_content(
    candidates: &[&Signature],
    group: &CertGroup<'_>,
    now: SystemTime,
    reader: &mut HashingReader<'_>,
) -> Result<Provenance, Vec<VerifyError>> {
    let mut packets = Vec::new();
    for &signature in candidates {
        let packet = sequoia_openpgp::Packet::from(signature.clone());
        packets.extend(packet.to_vec().map_err(|e| malformed(e.as_ref()))?);
    }
    let today = candidates
        .iter()
        .filter_map(|s| s.signature_creation_time())
        .fold(now, SystemTime::max);
    let helper = Helper {
        group,
        now,
        valid: None,
        errors: Vec::new(),
    };
    let mut verifier = DetachedVerifierBuilder::from_bytes(&packets)
        .and_then(|builder| builder.with_policy(&group.policy, today, helper))
        .map_err(|e| malformed(e.as_ref()))?;
    let result = verifier.verify_reader(reader);
    let helper = verifier.into_helper();
    match (result, helper.valid) {
        (Ok(()), Some(provenance)) => Ok(provenance),
        // The verifier failed before it checked a signature: the tar could not be read.
        (Err(e), _) if helper.errors.is_empty() => {
            Err(vec![match e.downcast::<std::io::Error>() {
                Ok(io) => VerifyError::Io(io),
                Err(e) => VerifyError::MalformedSignature(error_chain(e.as_ref())),
            }])
        }
        _ => Err(helper.errors),
    }
}

fn malformed(error: &(dyn std::error::Error + 'static)) -> Vec<VerifyError> {
    vec![VerifyError::MalformedSignature(error_chain(error))]
}

/// Gives Sequoia's verifier the certificates, and checks its results.
struct Helper<'k> {
    group: &'k CertGroup<'k>,
    now: SystemTime,
    valid: Option<Provenance>,
    errors: Vec<VerifyError>,
}

impl Helper<'_> {
    /// Checks a signature that Sequoia accepts: its key must be valid now, too.
    fn accept(&self, checked: &GoodChecksum<'_>) -> Result<Provenance, VerifyError> {
        let created = creation_time(checked.sig)?;
        self.check_key(&checked.ka, created)?;
        check_policy(checked.sig, &self.group.policy)?;
        Ok(Provenance::Signed {
            certificate: checked.ka.cert().fingerprint().to_hex(),
            key: checked.ka.key().fingerprint().to_hex(),
            created,
            user: user_id(checked),
        })
    }

    fn check_key(
        &self,
        key: &ValidErasedKeyAmalgamation<'_, PublicParts>,
        created: SystemTime,
    ) -> Result<(), VerifyError> {
        let handle = KeyHandle::from(key.key().fingerprint());
        check_key(key.cert(), &handle, &self.group.policy, created, self.now)
    }

    /// Sequoia's error as a [`VerifyError`].
    fn convert(&self, error: &VerificationError<'_>) -> VerifyError {
        let created = |s: &Signature| s.signature_creation_time().unwrap_or(self.now);
        match error {
            VerificationError::MissingKey { sig } => VerifyError::UnknownKey(
                sig.get_issuers()
                    .first()
                    .map_or_else(String::new, KeyHandle::to_hex),
            ),
            VerificationError::UnboundKey { cert, error, .. } => VerifyError::WeakCertificate {
                certificate: cert.fingerprint().to_hex(),
                why: error_chain(error.as_ref()),
            },
            VerificationError::BadKey { sig, ka, error } => {
                match self.check_key(ka, created(sig)) {
                    Err(error) => error,
                    // Sequoia has a reason that `check_key` does not check.
                    Ok(()) => VerifyError::WeakCertificate {
                        certificate: ka.cert().fingerprint().to_hex(),
                        why: error_chain(error.as_ref()),
                    },
                }
            }
            VerificationError::BadSignature { sig, .. } => {
                match check_policy(sig, &self.group.policy) {
                    Err(error) => error,
                    Ok(()) => VerifyError::ContentMismatch,
                }
            }
            other => VerifyError::MalformedSignature(other.to_string()),
        }
    }
}

/// The certificate's primary user ID, without control characters.
fn user_id(checked: &GoodChecksum<'_>) -> String {
    checked
        .ka
        .valid_cert()
        .primary_userid()
        .map_or_else(
            |_| "(no user ID)".to_owned(),
            |id| String::from_utf8_lossy(id.userid().value()).into_owned(),
        )
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

impl VerificationHelper for Helper<'_> {
    fn get_certs(&mut self, _ids: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        Ok(self.group.certs.to_vec())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else {
                continue;
            };
            for result in results {
                let checked = match result {
                    Ok(checked) => self.accept(&checked),
                    Err(error) => Err(self.convert(&error)),
                };
                match checked {
                    Ok(provenance) if self.valid.is_none() => self.valid = Some(provenance),
                    Ok(_) => {}
                    Err(error) => self.errors.push(error),
                }
            }
        }
        // The errors are in `self.errors`; this one makes the verifier fail.
        if self.valid.is_some() {
            Ok(())
        } else {
            Err(sequoia_openpgp::Error::BadSignature("no valid signature".into()).into())
        }
    }
}
