//! Verification: an [`UnverifiedTar`] becomes [`Verified`]. Nothing else creates one.
//!
//! [`TrustPolicy`] selects one of three functions:
//!
//! | function | accepts | because |
//! |---|---|---|
//! | [`verify_signature`] | a tar with a detached OpenPGP signature | a certificate of the [`Keyring`] signed it |
//! | [`accept_unsigned`] | a cached or local tar without one | `ECS_INIT_ALLOW_UNSIGNED=true` |
//! | [`accept_unsigned_update`] | the tar that the agent asked for with exit 42 | the agent checked it, unless `ECS_INIT_REQUIRE_SIGNED_UPDATES=true` |
//!
//! Each reads the whole tar, from the open file that is later sent to Docker. A signature covers
//! the content of the tar; it does not cover its name, or that it is the newest version.
//!
//! **Time of check to time of use.** A path may be replaced after verification; the open file stays
//! the same. Its content could still change, therefore a file that others may write to is rejected,
//! unless only a copy of it is used ([`FileTrust`]), and [`Verified::stream`] computes the SHA-256
//! again. This does not protect against root, or a process that opened the file for writing before
//! root owned it.

mod armor;
mod check_key;
mod check_signature;
mod error;
mod keyring;
mod permission;
mod signatures;
mod tar_file;
mod trust_policy;
mod verified;

use std::borrow::Borrow;
use std::fs::File;
use std::time::SystemTime;

pub use error::{Subject, VerifyError};
pub use keyring::Keyring;
pub use permission::{AllowUnsigned, AllowUnsignedUpdate};
pub use trust_policy::TrustPolicy;
pub use verified::{Provenance, Verified};

use crate::error::Result;
use crate::types::{FileTrust, TarSource, UnverifiedTar};
use tar_file::HashingReader;
use verified::Facts;

/// Accepts a tar if any of its signatures is valid at `now`.
///
/// # Errors
/// A [`VerifyError`], of the signature that passed the most checks.
pub fn verify_signature<F: Borrow<File>>(
    tar: UnverifiedTar<F>,
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Verified<F>> {
    let (file, signature) = (tar.file().borrow(), tar.signature());
    let facts = check_signature(file, tar.trust(), signature, keyring, now);
    Verified::new(tar, facts)
}

fn check_signature(
    file: &File,
    trust: FileTrust,
    signature: Option<&[u8]>,
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Facts, VerifyError> {
    let signatures = signatures::parse(signature.ok_or(VerifyError::NoSignature)?)?;
    tar_file::check_file(file, trust)?;
    let valid = check_signature::check(&signatures, keyring, now, file);
    let (provenance, reader) = valid.map_err(|error| match error {
        VerifyError::ContentMismatch if tar_file::is_truncated(file).unwrap_or(false) => {
            VerifyError::TarTruncated
        }
        other => other,
    })?;
    // Length and digest of the same pass over the file.
    let (length, digest) = reader.finish().map_err(VerifyError::Io)?;
    Ok(Facts {
        length,
        digest,
        provenance,
    })
}

/// Accepts a cached or local tar without a signature. One with a signature is rejected: an invalid
/// signature must not be ignored.
///
/// # Errors
/// A [`VerifyError`].
pub fn accept_unsigned<F: Borrow<File>>(
    tar: UnverifiedTar<F>,
    permission: AllowUnsigned,
) -> Result<Verified<F>> {
    let provenance = match tar.source() {
        TarSource::Cache(_) | TarSource::File(_) => Ok(Provenance::Unsigned),
        TarSource::Url(_) | TarSource::Update(_) => Err(VerifyError::NoSignature),
    };
    let verified = without_signature(tar, provenance)?;
    log::warn!(
        "accepting the tar from {} without a signature: ECS_INIT_ALLOW_UNSIGNED=true ({})",
        verified.source(),
        permission.origin()
    );
    Ok(verified)
}

/// Accepts the agent's own update (exit 42) without a signature. One with a signature is rejected.
///
/// # Errors
/// A [`VerifyError`].
pub fn accept_unsigned_update<F: Borrow<File>>(
    tar: UnverifiedTar<F>,
    _permission: AllowUnsignedUpdate,
) -> Result<Verified<F>> {
    let provenance = match tar.source() {
        TarSource::Update(_) => Ok(Provenance::AgentUpdate),
        _ => Err(VerifyError::NotAnUpdate),
    };
    without_signature(tar, provenance)
}

fn without_signature<F: Borrow<File>>(
    tar: UnverifiedTar<F>,
    provenance: Result<Provenance, VerifyError>,
) -> Result<Verified<F>> {
    let facts = provenance.and_then(|provenance| {
        if tar.signature().is_some() {
            return Err(VerifyError::HasSignature);
        }
        let file = tar.file().borrow();
        tar_file::check_file(file, tar.trust())?;
        let (length, digest) = HashingReader::new(file)
            .and_then(HashingReader::finish)
            .map_err(VerifyError::Io)?;
        Ok(Facts {
            length,
            digest,
            provenance,
        })
    });
    Verified::new(tar, facts)
}
