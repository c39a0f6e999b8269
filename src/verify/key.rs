//! Whether a key of a trusted certificate may sign data.
//!
//! Sequoia judges a key as of the moment of the signature. That lets through what was signed
//! before a key expired or was retired, and anything that a finder of an expired key backdates. So
//! a key must be sound at that moment *and* today.

use std::time::SystemTime;

use sequoia_openpgp::cert::amalgamation::{ValidAmalgamation, ValidateAmalgamation};
use sequoia_openpgp::packet::Signature;
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::{Cert, KeyHandle};

use super::refusal::{Reason, Subject};

/// Whether a key may sign data, both when the signature was made and today.
pub(super) fn sound(
    cert: &Cert,
    key: &KeyHandle,
    policy: &StandardPolicy<'_>,
    made: SystemTime,
    now: SystemTime,
) -> Result<(), Reason> {
    // A signer's clock that is a little ahead makes keys that are a little ahead, too.
    let today = now.max(made);
    sound_at(cert, key, policy, today)?;
    sound_at(cert, key, policy, made).map_err(|reason| match reason {
        // Good enough today, so nothing is weak about it.
        Reason::WeakCertificate { .. } => Reason::BeforeItsKey {
            key: key.to_hex(),
            made,
        },
        other => other,
    })
}

/// The same at one moment.
fn sound_at(
    cert: &Cert,
    key: &KeyHandle,
    policy: &StandardPolicy<'_>,
    at: SystemTime,
) -> Result<(), Reason> {
    let certificate = cert.fingerprint().to_hex();
    let unusable = |why: String| Reason::WeakCertificate {
        certificate: certificate.clone(),
        why,
    };
    let valid = cert
        .with_policy(policy, at)
        .map_err(|e| unusable(chain(e.as_ref())))?;
    if let RevocationStatus::Revoked(by) = valid.revocation_status() {
        let words = revocation_words(&by);
        return Err(Reason::Revoked(Subject::Certificate(certificate), words));
    }
    if valid.alive().is_err() {
        let when = valid.primary_key().key_expiration_time();
        return Err(Reason::Expired(Subject::Certificate(certificate), when));
    }
    let key = cert
        .keys()
        .key_handle(key.clone())
        .next()
        .ok_or_else(|| Reason::UnknownKey(key.to_hex()))?
        .with_policy(policy, at)
        .map_err(|e| unusable(chain(e.as_ref())))?;
    let fingerprint = key.key().fingerprint().to_hex();
    if let RevocationStatus::Revoked(by) = key.revocation_status() {
        let words = revocation_words(&by);
        return Err(Reason::Revoked(Subject::Key(fingerprint), words));
    }
    if key.alive().is_err() {
        let when = key.key_expiration_time();
        return Err(Reason::Expired(Subject::Key(fingerprint), when));
    }
    if !key.for_signing() {
        return Err(Reason::WrongKeyUsage(fingerprint));
    }
    Ok(())
}

/// The owner's reason for a revocation, as one line.
fn revocation_words(by: &[&Signature]) -> String {
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

/// An error and its causes on one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        // Sequoia's outer errors often end in their cause's words already.
        if !line.ends_with(&words) {
            line = format!("{line}: {words}");
        }
        next = cause.source();
    }
    line
}
