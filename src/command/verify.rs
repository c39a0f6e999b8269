//! `verify TAR [SIG]`: verify a tar's signature.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use crate::config::Config;
use crate::error::{Context, Result};
use crate::types::{TarSource, UnverifiedTar, signature_path};
use crate::verify::{TrustPolicy, verify_signature};

/// Prints the digest and the fingerprints. `ECS_INIT_ALLOW_UNSIGNED` has no effect here.
pub fn run(config: &Config, tar: &Path, signature: Option<&Path>) -> Result<()> {
    let default = signature_path(tar);
    let signature = signature.unwrap_or(&default);
    let file = File::open(tar).context(|| format!("open the tar {}", tar.display()))?;
    let bytes =
        fs::read(signature).context(|| format!("read the signature {}", signature.display()))?;
    let unverified = UnverifiedTar::new(file, Some(bytes), TarSource::File(tar.to_owned()));
    let trust = TrustPolicy::from_config(config)?;
    let verified = verify_signature(unverified, trust.keyring(), SystemTime::now())?;
    writeln!(std::io::stdout(), "{verified}").context(|| "print the result")
}
