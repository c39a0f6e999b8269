//! Whether a key of a trusted certificate may sign data.
//!
//! Sequoia checks a key as of the signature's creation time. That accepts signatures that were
//! backdated with an expired or retired key. Here a key must be valid at that time *and* now.

use std::time::SystemTime;

use sequoia_openpgp::cert::amalgamation::{ValidAmalgamation, ValidateAmalgamation};
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::{Cert, KeyHandle};

use super::{Subject, VerifyError};

/// Checks that a key may sign data, both at the signature's creation time and now.
pub(super) fn check_key(
    cert: &Cert,
    key: &KeyHandle,
    policy: &StandardPolicy<'_>,
    created: SystemTime,
    now: SystemTime,
) -> Result<(), VerifyError> {
    // If the signer's clock is ahead, `created` is in the future, and so may be the key's creation.
    check_key_at(cert, key, policy, now.max(created))?;
    check_key_at(cert, key, policy, created).map_err(|error| match error {
        // It is valid now, but was not yet bound to the certificate when the signature was created.
        VerifyError::WeakCertificate { .. } => VerifyError::SignatureBeforeKey {
            key: key.to_hex(),
            created,
        },
        other => other,
    })
}

fn check_key_at(
    cert: &Cert,
    key: &KeyHandle,
    policy: &StandardPolicy<'_>,
    at: SystemTime,
) -> Result<(), VerifyError> {
    let certificate = cert.fingerprint().to_hex();
    let unusable = |why: String| VerifyError::WeakCertificate {
        certificate: certificate.clone(),
        why,
    };
    let valid = cert
        .with_policy(policy, at)
        .map_err(|e| unusable(error_chain(e.as_ref())))?;
    if let RevocationStatus::Revoked(by) = valid.revocation_status() {
        let reason = revocation_reason(&by);
        return Err(VerifyError::Revoked(
            Subject::Certificate(certificate),
            reason,
        ));
    }
    if valid.alive().is_err() {
        let when = valid.primary_key().key_expiration_time();
        return Err(VerifyError::Expired(
            Subject::Certificate(certificate),
            when,
        ));
    }
    let key = cert
        .keys()
        .key_handle(key.clone())
        .next()
        .ok_or_else(|| VerifyError::UnknownKey(key.to_hex()))?
        .with_policy(policy, at)
        .map_err(|e| unusable(error_chain(e.as_ref())))?;
    let fingerprint = key.key().fingerprint().to_hex();
    if let RevocationStatus::Revoked(by) = key.revocation_status() {
        let reason = revocation_reason(&by);
        return Err(VerifyError::Revoked(Subject::Key(fingerprint), reason));
    }
    if key.alive().is_err() {
        let when = key.key_expiration_time();
        return Err(VerifyError::Expired(Subject::Key(fingerprint), when));
    }
    if !key.for_signing() {
        return Err(VerifyError::WrongKeyUsage(fingerprint));
    }
    Ok(())
}

/// The reason in a revocation, on one line.
fn revocation_reason(by: &[&Signature]) -> String {
    let Some((code, text)) = by.iter().find_map(|s| s.reason_for_revocation()) else {
        return String::new();
    };
    let text: String = String::from_utf8_lossy(text)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match text.trim() {
        "" => code.to_string(),
        text => format!("{code}: {text}"),
    }
}

/// An error and its sources on one line.
pub(super) fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let message = source.to_string();
        // Many of Sequoia's errors end with the message of their source.
        if !line.ends_with(&message) {
            line = format!("{line}: {message}");
        }
        next = source.source();
    }
    line
}
