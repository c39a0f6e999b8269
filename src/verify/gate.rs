//! Which door a tar takes: one decision for every verb.

use std::borrow::Borrow;
use std::fs::File;
use std::time::SystemTime;

use super::{
    AllowUnsigned, AllowUpdate, Keyring, Refused, Verified, agent_update, signature, unsigned,
};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::types::{TarSource, UnverifiedTar};

/// The keyring and the permissions of one configuration: who may pass, and by which door.
#[derive(Debug)]
pub struct Gate {
    keyring: Keyring,
    allow_unsigned: Option<AllowUnsigned>,
    allow_update: Option<AllowUpdate>,
}

impl Gate {
    /// Reads the keyring that the configuration names, below its root.
    ///
    /// # Errors
    /// As [`Keyring::load`].
    pub fn new(config: &Config) -> Result<Gate> {
        let further = config
            .source
            .keyring
            .as_ref()
            .map(|path| config.root.at(path.as_path()));
        Ok(Gate {
            keyring: Keyring::load(further.as_deref())?,
            allow_unsigned: AllowUnsigned::from_config(&config.source),
            allow_update: AllowUpdate::from_config(&config.source),
        })
    }

    /// The trusted certificates.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Lets a tar pass now, and says who signed it.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub fn open_to<F: Borrow<File>>(&self, acquired: UnverifiedTar<F>) -> Result<Verified<F>> {
        let verified = self
            .admit(acquired, SystemTime::now())
            .map_err(|refused| Error::new(Kind::InvalidInput, refused.to_string()))?;
        log::info!(
            "verified {}: {}; sha256 {}",
            verified.source(),
            verified.provenance(),
            verified.sha256()
        );
        Ok(verified)
    }

    /// Lets a tar pass or not. A signature that is there decides alone; without one, the
    /// permission that fits the tar's source does.
    ///
    /// # Errors
    /// The tar is not trusted; why is in [`Refused`].
    pub fn admit<F: Borrow<File>>(
        &self,
        acquired: UnverifiedTar<F>,
        now: SystemTime,
    ) -> Result<Verified<F>, Refused> {
        if acquired.signature().is_some() {
            return signature(acquired, &self.keyring, now);
        }
        match (acquired.source(), &self.allow_unsigned, &self.allow_update) {
            (TarSource::Update(_), _, Some(permission)) => {
                agent_update(acquired, permission.clone())
            }
            (TarSource::Cache(_) | TarSource::File(_), Some(permission), _) => {
                unsigned(acquired, permission.clone())
            }
            // Says that there is none, and what to do.
            _ => signature(acquired, &self.keyring, now),
        }
    }
}
