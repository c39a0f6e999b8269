//! Why a tar is not trusted.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::SystemTime;

use crate::error::{Error, Kind};
use crate::types::TarSource;
use crate::utc::rfc3339;

/// What expired or was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A certificate, by its fingerprint.
    Certificate(String),
    /// One key of a certificate, by its own fingerprint.
    Key(String),
    /// The signature.
    Signature,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Certificate(fingerprint) => write!(f, "certificate {fingerprint}"),
            Subject::Key(fingerprint) => write!(f, "signing key {fingerprint}"),
            Subject::Signature => f.write_str("signature"),
        }
    }
}

/// Why a tar is not trusted: the source of the [`Error`] that verification returns.
#[derive(Debug)]
pub enum VerifyError {
    /// The signature is by a trusted key, but for other content.
    ContentMismatch,
    /// As [`VerifyError::ContentMismatch`], and the tar is truncated.
    TarTruncated,
    /// A signature is missing, and the configuration requires one.
    NoSignature,
    /// The signature file is truncated.
    SignatureTruncated,
    /// The signature file is not a detached OpenPGP signature; why.
    MalformedSignature(String),
    /// No trusted certificate has the key that signed; its key ID or fingerprint.
    UnknownKey(String),
    /// The key that signed is trusted, but not for signing data; its fingerprint.
    WrongKeyUsage(String),
    /// What expired, and when.
    Expired(Subject, Option<SystemTime>),
    /// What was revoked, and the reason in the revocation.
    Revoked(Subject, String),
    /// The signature's creation time is in the future.
    FutureSignature {
        /// The signature's creation time.
        created: SystemTime,
        /// The time of the verification.
        now: SystemTime,
    },
    /// The signature's creation time is before the key became part of its certificate.
    SignatureBeforeKey {
        /// The key's fingerprint or ID.
        key: String,
        /// The signature's creation time.
        created: SystemTime,
    },
    /// The signature uses a hash algorithm without collision resistance; its name.
    WeakDigest(String),
    /// A trusted certificate violates the policy, for example by a SHA-1 self-signature.
    WeakCertificate {
        /// Its fingerprint.
        certificate: String,
        /// The violation.
        why: String,
    },
    /// The tar has a signature, therefore it cannot be accepted without verifying it.
    HasSignature,
    /// The tar is not an update of the agent, therefore it needs a signature.
    NotAnUpdate,
    /// A user other than root and the user of this process may write to the file.
    WritableByOthers {
        /// The owner's user ID.
        owner: u32,
        /// The permission bits.
        mode: u32,
    },
    /// Not a regular file.
    NotAFile,
    /// The file cannot be read.
    Io(io::Error),
}

impl VerifyError {
    /// How many checks passed before this error, as a rank: the highest is reported.
    pub(super) fn progress(&self) -> u8 {
        match self {
            VerifyError::Io(_) | VerifyError::NotAFile | VerifyError::WritableByOthers { .. } => 9,
            VerifyError::ContentMismatch | VerifyError::TarTruncated => 8,
            VerifyError::Revoked(..) => 7,
            VerifyError::Expired(..) => 6,
            VerifyError::FutureSignature { .. } | VerifyError::SignatureBeforeKey { .. } => 5,
            VerifyError::WrongKeyUsage(_) => 4,
            VerifyError::WeakDigest(_) | VerifyError::WeakCertificate { .. } => 3,
            VerifyError::UnknownKey(_) => 2,
            VerifyError::MalformedSignature(_) | VerifyError::SignatureTruncated => 1,
            VerifyError::NoSignature | VerifyError::HasSignature | VerifyError::NotAnUpdate => 0,
        }
    }

    /// The program's error for the tar from `source`.
    pub(super) fn for_tar(self, source: &TarSource) -> Error {
        let kind = match self {
            VerifyError::Io(_) => Kind::Io,
            VerifyError::NotAFile => Kind::InvalidInput,
            _ => Kind::Untrusted,
        };
        Error::with_source(kind, format!("the tar from {source} is not trusted"), self)
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::ContentMismatch => f.write_str(
                "the signature is by a trusted key, but for other content; get the tar and its \
                 signature again, both of the same version",
            ),
            VerifyError::TarTruncated => f.write_str(
                "the tar is truncated, and the signature is for a longer one; get it again",
            ),
            VerifyError::NoSignature => f.write_str(
                "it has no signature; put its .asc next to it, or set ECS_INIT_ALLOW_UNSIGNED=true \
                 to accept cached and local tars without one (for an agent's update: leave \
                 ECS_INIT_REQUIRE_SIGNED_UPDATES unset)",
            ),
            VerifyError::SignatureTruncated => {
                f.write_str("its signature file is truncated; get the .asc again")
            }
            VerifyError::MalformedSignature(why) => {
                write!(f, "its signature is unusable: {why}; get the .asc again")
            }
            VerifyError::UnknownKey(key) => write!(
                f,
                "it is signed by key {key}, which is in no trusted certificate; to trust it, add \
                 its certificate to the file in ECS_INIT_KEYRING"
            ),
            VerifyError::WrongKeyUsage(key) => write!(
                f,
                "it is signed by key {key}, whose usage flags do not include signing data; sign \
                 with another key"
            ),
            VerifyError::Expired(subject, when) => {
                write!(f, "its {subject} expired")?;
                if let Some(when) = when {
                    write!(f, " on {}", rfc3339(*when))?;
                }
                f.write_str("; get a tar with a new signature, or the renewed certificate")
            }
            VerifyError::Revoked(subject, reason) => {
                write!(f, "its {subject} was revoked by its owner")?;
                if !reason.is_empty() {
                    write!(f, " ({reason})")?;
                }
                f.write_str("; get a tar that is signed with another key")
            }
            VerifyError::FutureSignature { created, now } => write!(
                f,
                "its signature was made in the future, on {} (now is {}); set the clock",
                rfc3339(*created),
                rfc3339(*now)
            ),
            VerifyError::SignatureBeforeKey { key, created } => write!(
                f,
                "its signature was made on {}, before its key {key} was valid; sign again with \
                 the right clock",
                rfc3339(*created)
            ),
            VerifyError::WeakDigest(digest) => write!(
                f,
                "its signature uses the weak hash algorithm {digest}; sign with SHA-256 or better"
            ),
            VerifyError::WeakCertificate { certificate, why } => write!(
                f,
                "the trusted certificate {certificate} is unusable: {why}; its owner must renew \
                 its self-signatures"
            ),
            VerifyError::HasSignature => f.write_str("it has a signature, which must be verified"),
            VerifyError::NotAnUpdate => {
                f.write_str("it is not the agent's own update, and needs a signature")
            }
            VerifyError::WritableByOthers { owner, mode } => write!(
                f,
                "other users may change it after verification (owner {owner}, mode {mode:04o}); \
                 run chown root and chmod go-w"
            ),
            VerifyError::NotAFile => f.write_str("it is not a regular file"),
            VerifyError::Io(_) => f.write_str("it cannot be read"),
        }
    }
}

impl StdError for VerifyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            VerifyError::Io(error) => Some(error),
            _ => None,
        }
    }
}
