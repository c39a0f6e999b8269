//! A verified tar.

use std::borrow::Borrow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::time::SystemTime;

use super::VerifyError;
use super::tar_file::VerifyingReader;
use crate::error::Result;
use crate::fs::Digest;
use crate::types::{TarSource, UnverifiedTar};
use crate::utc::rfc3339;

/// Why a tar is trusted. Displayed on one line, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// A trusted key signed the content. Fingerprints are upper-case hex.
    Signed {
        /// The fingerprint of the certificate's primary key.
        certificate: String,
        /// The fingerprint of the key or subkey that signed.
        key: String,
        /// The signature's creation time.
        created: SystemTime,
        /// The certificate's primary user ID; not verified, only displayed.
        user: String,
    },
    /// It has no signature; the configuration allows that.
    Unsigned,
    /// It has no signature; the agent downloaded and checked it.
    AgentUpdate,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provenance::Signed {
                certificate,
                key,
                created,
                user,
            } => write!(
                f,
                "signed by {user} (certificate {certificate}, key {key}) on {}",
                rfc3339(*created)
            ),
            Provenance::Unsigned => f.write_str("not signed; ECS_INIT_ALLOW_UNSIGNED allows it"),
            Provenance::AgentUpdate => {
                f.write_str("not signed; downloaded and checked by the agent")
            }
        }
    }
}

/// A tar that may be loaded or stored. Only this module creates one. It owns the file that was
/// verified (see [`UnverifiedTar`]) and the signature that verified it. Displayed as the output of
/// `ecs-init verify`, one line per fact.
#[derive(Debug)]
pub struct Verified<F = File> {
    file: F,
    signature: Option<Vec<u8>>,
    source: TarSource,
    facts: Facts,
}

/// The results of verification.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) length: u64,
    pub(super) digest: Digest,
    pub(super) provenance: Provenance,
}

impl<F: Borrow<File>> Verified<F> {
    pub(super) fn new(tar: UnverifiedTar<F>, facts: Result<Facts, VerifyError>) -> Result<Self> {
        let (file, signature, source) = tar.into_parts();
        match facts {
            Ok(facts) => Ok(Verified {
                file,
                signature,
                source,
                facts,
            }),
            Err(error) => Err(error.for_tar(&source)),
        }
    }

    /// The value that holds the open verified file.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// Splits off the value that holds the open file; the rest has a duplicate of the descriptor.
    ///
    /// # Errors
    /// The descriptor cannot be duplicated.
    pub fn split(self) -> io::Result<(F, Verified)> {
        let rest = Verified {
            file: self.file.borrow().try_clone()?,
            signature: self.signature,
            source: self.source,
            facts: self.facts,
        };
        Ok((self.file, rest))
    }

    /// The detached signature that verified the tar; `None` if it was accepted without one.
    pub fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }

    /// The file that was verified, at its first byte.
    ///
    /// # Errors
    /// The file is not seekable.
    pub fn reader(&self) -> io::Result<&File> {
        let mut file = self.file.borrow();
        file.rewind()?;
        Ok(file)
    }

    /// The content of the tar, exactly [`Verified::len`] bytes, verified again: the last 64 KiB are
    /// returned only if the SHA-256 of the whole is the same as before.
    ///
    /// # Errors
    /// SHA-256 is not available. The reader itself fails with `InvalidData` if the file was
    /// changed.
    pub fn stream(&self) -> io::Result<impl Read + '_> {
        VerifyingReader::new(self.file.borrow(), self.facts.length, &self.facts.digest)
    }

    /// The length in bytes.
    #[allow(clippy::len_without_is_empty)] // An empty tar is never verified.
    pub fn len(&self) -> u64 {
        self.facts.length
    }

    /// Why it is trusted.
    pub fn provenance(&self) -> &Provenance {
        &self.facts.provenance
    }

    /// Where it came from.
    pub fn source(&self) -> &TarSource {
        &self.source
    }

    /// The SHA-256 of the tar, in lower-case hex.
    pub fn sha256(&self) -> String {
        self.facts.digest.to_string()
    }
}

impl<F: Borrow<File>> fmt::Display for Verified<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tar          {}", self.source)?;
        writeln!(f, "sha256       {}", self.sha256())?;
        match &self.facts.provenance {
            Provenance::Signed {
                certificate,
                key,
                created,
                user,
            } => {
                writeln!(f, "certificate  {certificate}")?;
                writeln!(f, "signing key  {key}")?;
                writeln!(f, "user ID      {user}")?;
                write!(f, "signed on    {}", rfc3339(*created))
            }
            other => write!(f, "provenance   {other}"),
        }
    }
}
