//! Which tars a configuration accepts.

use std::borrow::Borrow;
use std::fs::File;
use std::time::SystemTime;

use super::{
    AllowUnsigned, AllowUnsignedUpdate, Keyring, Verified, accept_unsigned, accept_unsigned_update,
    verify_signature,
};
use crate::config::Config;
use crate::error::Result;
use crate::types::{TarSource, UnverifiedTar};

/// The keyring and the permissions of one configuration.
#[derive(Debug)]
pub struct TrustPolicy {
    keyring: Keyring,
    allow_unsigned: Option<AllowUnsigned>,
    allow_unsigned_update: Option<AllowUnsignedUpdate>,
}

impl TrustPolicy {
    /// Reads the keyring in `ECS_INIT_KEYRING`, below the configuration's root.
    ///
    /// # Errors
    /// As [`Keyring::load`].
    pub fn from_config(config: &Config) -> Result<TrustPolicy> {
        let path = config
            .source
            .keyring
            .as_ref()
            .map(|path| config.root.at(path.as_path()));
        Ok(TrustPolicy {
            keyring: Keyring::load(path.as_deref())?,
            allow_unsigned: AllowUnsigned::from_config(&config.source),
            allow_unsigned_update: AllowUnsignedUpdate::from_config(&config.source),
        })
    }

    /// The trusted certificates.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Verifies a tar now, and logs who signed it.
    ///
    /// # Errors
    /// As [`TrustPolicy::verify_at`].
    pub fn verify<F: Borrow<File>>(&self, tar: UnverifiedTar<F>) -> Result<Verified<F>> {
        let verified = self.verify_at(tar, SystemTime::now())?;
        log::info!(
            "verified {}: {}; sha256 {}",
            verified.source(),
            verified.provenance(),
            verified.sha256()
        );
        Ok(verified)
    }

    /// Verifies a tar as of `now`. A tar with a signature is accepted only if the signature is
    /// valid; a tar without one only if the configuration permits that for the tar's source.
    ///
    /// # Errors
    /// A [`VerifyError`](super::VerifyError) if the tar is not trusted.
    pub fn verify_at<F: Borrow<File>>(
        &self,
        tar: UnverifiedTar<F>,
        now: SystemTime,
    ) -> Result<Verified<F>> {
        if tar.signature().is_some() {
            return verify_signature(tar, &self.keyring, now);
        }
        match (
            tar.source(),
            &self.allow_unsigned,
            &self.allow_unsigned_update,
        ) {
            (TarSource::Update(_), _, Some(permission)) => {
                accept_unsigned_update(tar, permission.clone())
            }
            (TarSource::Cache(_) | TarSource::File(_), Some(permission), _) => {
                accept_unsigned(tar, permission.clone())
            }
            // Fails, because the signature is missing.
            _ => verify_signature(tar, &self.keyring, now),
        }
    }
}
