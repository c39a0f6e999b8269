//! Whether a tar's signatures are good. Sequoia's verifier says yes; what stands around it can
//! only say no, in words that tell why.

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

use super::key::{chain, sound};
use super::keyring::{Group, Keyring};
use super::refusal::{Reason, Subject};
use super::whole::Whole;

/// How far the signer's clock may be ahead of ours.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// Whose signature it is.
#[derive(Debug)]
pub(super) struct Good {
    pub certificate: String,
    pub key: String,
    pub user: String,
    pub made: SystemTime,
}

/// Accepts the tar by any one good signature, and else says what was wrong with the one that got
/// furthest. With the verdict comes the pass over the tar that it rests on. There is one pass a
/// group of certificates, and none when no signature is worth it.
pub(super) fn judge<'f>(
    signatures: &[Signature],
    keyring: &Keyring,
    now: SystemTime,
    tar: &'f File,
) -> Result<(Good, Whole<'f>), Reason> {
    let mut reasons = Vec::new();
    for group in keyring.groups(now) {
        let mut candidates = Vec::new();
        for signature in signatures {
            match at_first_sight(signature, &group, now) {
                Ok(()) => candidates.push(signature),
                Err(reason) => reasons.push(reason),
            }
        }
        if candidates.is_empty() {
            continue;
        }
        let mut whole = Whole::new(tar).map_err(Reason::Io)?;
        match over_the_tar(&candidates, &group, now, &mut whole) {
            Ok(good) => return Ok((good, whole)),
            Err(more) => reasons.extend(more),
        }
    }
    // `max_by_key` takes the last of equals; the first signature is the one that people mean.
    Err(reasons
        .into_iter()
        .rev()
        .max_by_key(Reason::weight)
        .unwrap_or(Reason::Unsigned))
}

/// What can be said against a signature without its tar.
fn at_first_sight(signature: &Signature, group: &Group<'_>, now: SystemTime) -> Result<(), Reason> {
    // A text signature (RFC 9580, section 5.2.1.2) has its line ends normalised before hashing:
    // different tars would share it.
    if signature.typ() != SignatureType::Binary {
        return Err(Reason::Malformed(format!(
            "it is a {}, not one over binary data",
            signature.typ()
        )));
    }
    let Some(made) = signature.signature_creation_time() else {
        return Err(Reason::Malformed("it does not say when it was made".into()));
    };
    let issuers = signature.get_issuers();
    let Some(issuer) = issuers.iter().max_by_key(|i| i.as_bytes().len()) else {
        return Err(Reason::Malformed("it does not say by which key".into()));
    };
    if made > now + CLOCK_SKEW {
        return Err(Reason::FromTheFuture { made, now });
    }
    let mut verdict = Err(Reason::UnknownKey(issuer.to_hex()));
    for cert in group.certs {
        // Signatures name a key by ID, of which two may exist; one that is sound is enough here.
        for key in cert.keys().key_handles(issuers.iter()) {
            if verdict.is_err() {
                verdict = sound(cert, &key.key().key_handle(), &group.policy, made, now);
            }
        }
    }
    verdict?;
    let today = now.max(made);
    if let Some(expires) = signature.signature_expiration_time()
        && expires <= today
    {
        return Err(Reason::Expired(Subject::Signature, Some(expires)));
    }
    acceptable(signature, &group.policy)
}

/// Whether the policy takes this signature over data: the digest above all.
fn acceptable(signature: &Signature, policy: &StandardPolicy<'_>) -> Result<(), Reason> {
    let security = HashAlgoSecurity::CollisionResistance;
    policy.signature(signature, security).map_err(|error| {
        let algorithm = signature.hash_algo();
        // The cutoff is a moment; policies are of 2026 at the least, and every cutoff is earlier.
        if policy.hash_cutoff(algorithm, security).is_some() {
            Reason::WeakDigest(algorithm.to_string())
        } else {
            Reason::Malformed(chain(error.as_ref()))
        }
    })
}

/// Hashes the tar and asks Sequoia.
fn over_the_tar(
    candidates: &[&Signature],
    group: &Group<'_>,
    now: SystemTime,
    whole: &mut Whole<'_>,
) -> Result<Good, Vec<Reason>> {
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
        good: None,
        reasons: Vec::new(),
    };
    let mut verifier = DetachedVerifierBuilder::from_bytes(&packets)
        .and_then(|builder| builder.with_policy(&group.policy, today, helper))
        .map_err(|e| malformed(e.as_ref()))?;
    let verdict = verifier.verify_reader(whole);
    let helper = verifier.into_helper();
    match (verdict, helper.good) {
        (Ok(()), Some(good)) => Ok(good),
        // The verifier failed before it came to a verdict: the tar could not be read.
        (Err(e), _) if helper.reasons.is_empty() => {
            Err(vec![match e.downcast::<std::io::Error>() {
                Ok(io) => Reason::Io(io),
                Err(e) => Reason::Malformed(chain(e.as_ref())),
            }])
        }
        _ => Err(helper.reasons),
    }
}

fn malformed(error: &(dyn std::error::Error + 'static)) -> Vec<Reason> {
    vec![Reason::Malformed(chain(error))]
}

/// What Sequoia's verifier asks of its user: certificates, and what to make of its verdicts.
struct Helper<'k> {
    group: &'k Group<'k>,
    now: SystemTime,
    good: Option<Good>,
    reasons: Vec<Reason>,
}

impl Helper<'_> {
    /// Sequoia found the signature good; the key must be so today, too.
    fn good(&self, checked: &GoodChecksum<'_>) -> Result<Good, Reason> {
        let Some(made) = checked.sig.signature_creation_time() else {
            return Err(Reason::Malformed("it does not say when it was made".into()));
        };
        self.sound(&checked.ka, made)?;
        acceptable(checked.sig, &self.group.policy)?;
        Ok(Good {
            certificate: checked.ka.cert().fingerprint().to_hex(),
            key: checked.ka.key().fingerprint().to_hex(),
            user: user(checked),
            made,
        })
    }

    fn sound(
        &self,
        key: &ValidErasedKeyAmalgamation<'_, PublicParts>,
        made: SystemTime,
    ) -> Result<(), Reason> {
        let handle = KeyHandle::from(key.key().fingerprint());
        sound(key.cert(), &handle, &self.group.policy, made, self.now)
    }

    /// Sequoia's words in ours.
    fn bad(&self, error: &VerificationError<'_>) -> Reason {
        let made = |s: &Signature| s.signature_creation_time().unwrap_or(self.now);
        match error {
            VerificationError::MissingKey { sig } => Reason::UnknownKey(
                sig.get_issuers()
                    .first()
                    .map_or_else(String::new, KeyHandle::to_hex),
            ),
            VerificationError::UnboundKey { cert, error, .. } => Reason::WeakCertificate {
                certificate: cert.fingerprint().to_hex(),
                why: chain(error.as_ref()),
            },
            VerificationError::BadKey { sig, ka, error } => {
                match self.sound(ka, made(sig)) {
                    Err(reason) => reason,
                    // Sequoia knows of something that we do not.
                    Ok(()) => Reason::WeakCertificate {
                        certificate: ka.cert().fingerprint().to_hex(),
                        why: chain(error.as_ref()),
                    },
                }
            }
            VerificationError::BadSignature { sig, .. } => {
                match acceptable(sig, &self.group.policy) {
                    Err(reason) => reason,
                    Ok(()) => Reason::Altered,
                }
            }
            other => Reason::Malformed(other.to_string()),
        }
    }
}

/// The certificate's primary user ID, safe to print.
fn user(checked: &GoodChecksum<'_>) -> String {
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
                let verdict = match result {
                    Ok(checked) => self.good(&checked),
                    Err(error) => Err(self.bad(&error)),
                };
                match verdict {
                    Ok(good) if self.good.is_none() => self.good = Some(good),
                    Ok(_) => {}
                    Err(reason) => self.reasons.push(reason),
                }
            }
        }
        // The verdict is in `good`; the error below only says that there is none.
        if self.good.is_some() {
            Ok(())
        } else {
            Err(sequoia_openpgp::Error::BadSignature("no good signature".into()).into())
        }
    }
}
