//! Why a tar is not trusted, each reason in its own words and with what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::SystemTime;

use crate::types::TarSource;
use crate::utc::utc;

/// A tar that is not trusted: which, and why.
#[derive(Debug)]
pub struct Refused {
    source: TarSource,
    reason: Reason,
}

impl Refused {
    pub(super) fn new(source: TarSource, reason: Reason) -> Self {
        Refused { source, reason }
    }

    /// Where the tar came from.
    #[must_use]
    pub fn tar(&self) -> &TarSource {
        &self.source
    }

    /// Why it is not trusted.
    #[must_use]
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Why it is not trusted, to keep.
    #[must_use]
    pub fn into_reason(self) -> Reason {
        self.reason
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the tar from {} is refused: {}",
            self.source, self.reason
        )
    }
}

impl StdError for Refused {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        None // The reason prints its own cause.
    }
}

/// What of a trusted chain has run out or was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The whole certificate, by its fingerprint.
    Certificate(String),
    /// One key of a certificate, by its own fingerprint.
    Key(String),
    /// The signature itself.
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

/// Why a tar is not trusted.
#[derive(Debug)]
pub enum Reason {
    /// The signature is by a trusted key, but over other bytes.
    Altered,
    /// The same, and the tar has lost its end.
    CutShort,
    /// There is no signature, and none of the ways to do without one is open.
    Unsigned,
    /// The signature has lost its end.
    SignatureCutShort,
    /// What should be a detached OpenPGP signature is not; why.
    Malformed(String),
    /// No trusted certificate holds the key that signed; its key ID or fingerprint.
    UnknownKey(String),
    /// The key that signed is trusted, but not for signing data; its fingerprint.
    WrongKeyUsage(String),
    /// What has expired, and when.
    Expired(Subject, Option<SystemTime>),
    /// What was revoked, and with what words.
    Revoked(Subject, String),
    /// The signature will be made at `made`; the clock says `now`.
    FromTheFuture {
        /// The signature's creation time.
        made: SystemTime,
        /// The time that it was judged at.
        now: SystemTime,
    },
    /// The signature claims a time at which its key was not yet bound to its certificate.
    BeforeItsKey {
        /// The key's fingerprint or ID.
        key: String,
        /// The signature's creation time.
        made: SystemTime,
    },
    /// The signature is over a digest for which a second tar can be made; the digest's name.
    WeakDigest(String),
    /// A trusted certificate itself does not meet the policy (a SHA-1 self-signature, say).
    WeakCertificate {
        /// Its fingerprint.
        certificate: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is a signature, so that it decides, and no permission to do without one.
    SignatureDecides,
    /// Not the agent's update, so that the agent's word does not count.
    NotAnUpdate,
    /// Others than root and this process's user may write to the file, also after it was read.
    WritableByOthers {
        /// The owner's user ID.
        owner: u32,
        /// The permission bits.
        mode: u32,
    },
    /// The file could not be read.
    Io(io::Error),
}

impl Reason {
    /// Of several bad signatures, the one that got furthest tells most.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Reason::Io(_) | Reason::WritableByOthers { .. } => 9,
            Reason::Altered | Reason::CutShort => 8,
            Reason::Revoked(..) => 7,
            Reason::Expired(..) => 6,
            Reason::FromTheFuture { .. } | Reason::BeforeItsKey { .. } => 5,
            Reason::WrongKeyUsage(_) => 4,
            Reason::WeakDigest(_) | Reason::WeakCertificate { .. } => 3,
            Reason::UnknownKey(_) => 2,
            Reason::Malformed(_) | Reason::SignatureCutShort => 1,
            Reason::Unsigned | Reason::SignatureDecides | Reason::NotAnUpdate => 0,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Altered => f.write_str(
                "it was altered: the signature is by a trusted key, but not over these bytes; \
                 fetch tar and signature anew, both of the same version",
            ),
            Reason::CutShort => f.write_str(
                "it was cut short: the archive has lost its end, and the signature is over more; \
                 fetch it anew",
            ),
            Reason::Unsigned => f.write_str(
                "it has no signature; put its .asc beside it, or set ECS_INIT_ALLOW_UNSIGNED=true \
                 to load cached and local tars without one (for an agent's update: leave \
                 ECS_INIT_REQUIRE_SIGNED_UPDATES unset)",
            ),
            Reason::SignatureCutShort => {
                f.write_str("its signature was cut short; fetch the .asc anew")
            }
            Reason::Malformed(why) => {
                write!(
                    f,
                    "its signature cannot be used: {why}; fetch the .asc anew"
                )
            }
            Reason::UnknownKey(key) => write!(
                f,
                "it is signed by key {key}, which no trusted certificate holds; if it should be \
                 trusted, put its certificate into the file that ECS_INIT_KEYRING names"
            ),
            Reason::WrongKeyUsage(key) => write!(
                f,
                "it is signed by key {key}, which its owner did not make for signing data; \
                 sign with a key that has the signing usage"
            ),
            Reason::Expired(subject, when) => {
                write!(f, "its {subject} expired")?;
                if let Some(when) = when {
                    write!(f, " on {}", utc(*when))?;
                }
                f.write_str("; get a tar that was signed anew, or the renewed certificate")
            }
            Reason::Revoked(subject, words) => {
                write!(f, "its {subject} was revoked by its owner")?;
                if !words.is_empty() {
                    write!(f, " ({words})")?;
                }
                f.write_str("; get a tar that was signed with another key")
            }
            Reason::FromTheFuture { made, now } => write!(
                f,
                "its signature is from the future: made {}, and the clock says {}; \
                 set the clock, or wait until it is set",
                utc(*made),
                utc(*now)
            ),
            Reason::BeforeItsKey { key, made } => write!(
                f,
                "its signature claims to be made {}, when its key {key} was not yet valid; \
                 sign anew with the right clock",
                utc(*made)
            ),
            Reason::WeakDigest(digest) => write!(
                f,
                "its signature is over {digest}, for which another tar with the same digest can \
                 be made; sign over SHA-256 or better"
            ),
            Reason::WeakCertificate { certificate, why } => write!(
                f,
                "the certificate {certificate} that would vouch for it cannot be used: {why}; \
                 have its owner renew its self-signatures"
            ),
            Reason::SignatureDecides => {
                f.write_str("it has a signature, so that must be verified; nothing may go past it")
            }
            Reason::NotAnUpdate => {
                f.write_str("it is not the agent's own update, so it needs a signature")
            }
            Reason::WritableByOthers { owner, mode } => write!(
                f,
                "others could change it after the check (owner {owner}, mode {mode:04o}); \
                 let root own it and nobody else write to it (chown root, chmod go-w)"
            ),
            Reason::Io(error) => write!(f, "it cannot be read: {error}"),
        }
    }
}
