//! An acquired tar becomes [`Verified`], and nobody else can make one.
//!
//! There are three doors, and [`Gate`] picks the right one:
//!
//! | door | for what | who vouches |
//! |---|---|---|
//! | [`signature`] | a tar with a detached OpenPGP signature | a certificate of the [`Keyring`] |
//! | [`unsigned`] | a cached or local tar without one | the user: `ECS_INIT_ALLOW_UNSIGNED=true` |
//! | [`agent_update`] | the tar that the agent asked for with exit 42 | the agent, verified when it was loaded; not with `ECS_INIT_REQUIRE_SIGNED_UPDATES=true` |
//!
//! Behind each, the tar was read from its first byte to its last, from the open file that goes on
//! to Docker. What is signed is the bytes: not the name, and not that it is the newest version.
//!
//! **Changed in between?** A name may come to stand for another file; the open file stays the
//! same. Its bytes could still be changed, so a file that others may write to is refused, unless all
//! that is used is a copy ([`FileTrust`]), and [`Verified::stream`] hashes again and holds the end back
//! until the SHA-256 is right. What remains is root itself, and somebody who opened the file for
//! writing before it was root's.

mod armor;
mod gate;
mod judge;
mod key;
mod keyring;
mod permission;
mod refusal;
mod signatures;
mod whole;

use std::borrow::Borrow;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::time::SystemTime;

pub use gate::Gate;
pub use keyring::Keyring;
pub use permission::{AllowUnsigned, AllowUpdate};
pub use refusal::{Reason, Refused, Subject};
pub use whole::sha256_of;

use crate::error::Result;
use crate::types::{FileTrust, TarSource, UnverifiedTar};
use crate::utc::utc;

/// Who vouches for a tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// A trusted key signed these bytes. Fingerprints are upper-case hex.
    Signed {
        /// The certificate, by the fingerprint of its primary key.
        certificate: String,
        /// The key or subkey that signed.
        key: String,
        /// When, as the signature says.
        made: SystemTime,
        /// The certificate's primary user ID; the fingerprint is what counts.
        user: String,
    },
    /// Nobody; the configuration allows that.
    Unsigned,
    /// The agent, which fetched and checked it for itself.
    AgentUpdate,
}

/// On one line, for the log.
impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provenance::Signed {
                certificate,
                key,
                made,
                user,
            } => write!(
                f,
                "signed by {user} (certificate {certificate}, key {key}) on {}",
                utc(*made)
            ),
            Provenance::Unsigned => f.write_str("not signed; ECS_INIT_ALLOW_UNSIGNED allows it"),
            Provenance::AgentUpdate => f.write_str("not signed; fetched and checked by the agent"),
        }
    }
}

/// A tar that may be loaded or stored. Only this module makes one. It owns the file that was
/// verified (see [`UnverifiedTar`]) and the signature that verified it.
#[derive(Debug)]
pub struct Verified<F = File> {
    file: F,
    signature: Option<Vec<u8>>,
    source: TarSource,
    facts: Facts,
}

/// What a successful verification found out.
#[derive(Debug)]
struct Facts {
    length: u64,
    digest: Vec<u8>,
    provenance: Provenance,
}

impl<F: Borrow<File>> Verified<F> {
    fn new(tar: UnverifiedTar<F>, facts: Result<Facts, Reason>) -> Result<Self, Refused> {
        let (file, signature, source) = tar.into_parts();
        match facts {
            Ok(facts) => Ok(Verified {
                file,
                signature,
                source,
                facts,
            }),
            Err(reason) => Err(Refused::new(source, reason)),
        }
    }

    /// The owner of the verified file.
    pub fn file(&self) -> &F {
        &self.file
    }

    /// Gives the file's owner away; the rest keeps a duplicate of the open file.
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
    /// It cannot seek.
    pub fn reader(&self) -> io::Result<&File> {
        let mut file = self.file.borrow();
        file.rewind()?;
        Ok(file)
    }

    /// The tar from its first byte to its last, exactly [`Verified::len`] bytes, for whoever acts
    /// on it. The last 64 KiB come only once the digest has come out the same as before.
    ///
    /// # Errors
    /// The digest is not available. The reader itself fails with `InvalidData` when the file was
    /// changed since it was verified.
    pub fn stream(&self) -> io::Result<impl Read + '_> {
        whole::Rechecked::new(self.file.borrow(), self.facts.length, &self.facts.digest)
    }

    /// Its length in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // An empty tar is never verified.
    pub fn len(&self) -> u64 {
        self.facts.length
    }

    /// Who vouches for it.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.facts.provenance
    }

    /// Where it came from.
    #[must_use]
    pub fn source(&self) -> &TarSource {
        &self.source
    }

    /// The SHA-256 of the whole tar, in lower-case hex, as `sha256sum` prints it.
    #[must_use]
    pub fn sha256(&self) -> String {
        whole::hex(&self.facts.digest)
    }
}

/// What the verb `verify` prints: one line for each fact.
impl<F: Borrow<File>> fmt::Display for Verified<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tar          {}", self.source)?;
        writeln!(f, "sha256       {}", self.sha256())?;
        match &self.facts.provenance {
            Provenance::Signed {
                certificate,
                key,
                made,
                user,
            } => {
                writeln!(f, "certificate  {certificate}")?;
                writeln!(f, "signing key  {key}")?;
                writeln!(f, "user ID      {user}")?;
                write!(f, "signed on    {}", utc(*made))
            }
            other => write!(f, "provenance   {other}"),
        }
    }
}

/// The door for a tar with a signature: accepted if any signature in it is good at `now`.
///
/// # Errors
/// The tar is not trusted; why is in [`Refused`].
pub fn signature<F: Borrow<File>>(
    tar: UnverifiedTar<F>,
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Verified<F>, Refused> {
    let (file, signature) = (tar.file().borrow(), tar.signature());
    let facts = signed(file, tar.trust(), signature, keyring, now);
    Verified::new(tar, facts)
}

/// The verdict on an open file; its length and SHA-256 come from the same pass.
fn signed(
    file: &File,
    custody: FileTrust,
    signature: Option<&[u8]>,
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Facts, Reason> {
    let signatures = signatures::parse(signature.ok_or(Reason::Unsigned)?)?;
    whole::fit_to_judge(file, custody)?;
    let verdict = judge::judge(&signatures, keyring, now, file);
    let (good, whole) = verdict.map_err(|reason| match reason {
        Reason::Altered if whole::lost_its_end(file).unwrap_or(false) => Reason::CutShort,
        other => other,
    })?;
    let (length, digest) = whole.finish().map_err(Reason::Io)?;
    Ok(Facts {
        length,
        digest,
        provenance: Provenance::Signed {
            certificate: good.certificate,
            key: good.key,
            made: good.made,
            user: good.user,
        },
    })
}

/// The door for a cached or local tar without a signature, by the user's permission. A tar that
/// has a signature does not pass here: a bad one must not be ignored.
///
/// # Errors
/// The tar has a signature, came from elsewhere, or cannot be read.
pub fn unsigned<F: Borrow<File>>(
    tar: UnverifiedTar<F>,
    permission: AllowUnsigned,
) -> Result<Verified<F>, Refused> {
    let door = match tar.source() {
        TarSource::Cache(_) | TarSource::File(_) => Ok(Provenance::Unsigned),
        TarSource::Url(_) | TarSource::Update(_) => Err(Reason::Unsigned),
    };
    let verified = without_signature(tar, door)?;
    log::warn!(
        "the tar from {} has no signature and is taken as it is: ECS_INIT_ALLOW_UNSIGNED=true \
         ({})",
        verified.source(),
        permission.origin()
    );
    Ok(verified)
}

/// The door for the agent's own update (exit 42). A tar that has a signature does not pass here.
///
/// # Errors
/// The tar is no update, has a signature, or cannot be read.
pub fn agent_update<F: Borrow<File>>(
    tar: UnverifiedTar<F>,
    _permission: AllowUpdate,
) -> Result<Verified<F>, Refused> {
    let door = match tar.source() {
        TarSource::Update(_) => Ok(Provenance::AgentUpdate),
        _ => Err(Reason::NotAnUpdate),
    };
    without_signature(tar, door)
}

/// What both of these doors do.
fn without_signature<F: Borrow<File>>(
    tar: UnverifiedTar<F>,
    door: Result<Provenance, Reason>,
) -> Result<Verified<F>, Refused> {
    let facts = door.and_then(|provenance| {
        if tar.signature().is_some() {
            return Err(Reason::SignatureDecides);
        }
        whole::fit_to_judge(tar.file().borrow(), tar.trust())?;
        let (length, digest) = whole::Whole::new(tar.file().borrow())
            .and_then(whole::Whole::finish)
            .map_err(Reason::Io)?;
        Ok(Facts {
            length,
            digest,
            provenance,
        })
    });
    Verified::new(tar, facts)
}
