//! `verify TAR [SIG]`: a tar's signature is checked, and nothing else done.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::Config;
use crate::error::{Context, Result};
use crate::types::{TarSource, UnverifiedTar};
use crate::verify::{TrustPolicy, verify_signature};

/// Prints what held; fails if it did not. Permissions to do without a signature do not count
/// here: the question is whether there is a good one.
pub fn run(config: &Config, tar: &Path, signature: Option<&Path>) -> Result<()> {
    let beside = PathBuf::from(format!("{}.asc", tar.display()));
    let signature = signature.unwrap_or(&beside);
    let file = File::open(tar).context(|| format!("open the tar {}", tar.display()))?;
    let bytes =
        fs::read(signature).context(|| format!("read the signature {}", signature.display()))?;
    let acquired = UnverifiedTar::new(file, Some(bytes), TarSource::File(tar.to_owned()));
    let trust = TrustPolicy::from_config(config)?;
    let verified = verify_signature(acquired, trust.keyring(), SystemTime::now())?;
    writeln!(std::io::stdout(), "{verified}").context(|| "print what held")
}
