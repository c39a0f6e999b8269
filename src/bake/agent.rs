//! Finds and verifies the agent's tar, from the same sources as `pre-start`.

use std::path::Path;

use super::manifest::Manifest;
use super::options::{AgentLocation, Options};
use super::tar::{InstallableTar, TAR_MODE, TarFile};
use super::{CACHE, Change, Want};
use crate::cache::TAR;
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::fetch::{FetchOptions, Found, Search, imds};
use crate::sys::file::open_regular;
use crate::sys::signal::Stop;
use crate::types::{
    AgentVersion, FileTrust, TarSource, UnverifiedTar, read_signature, signature_path,
};
use crate::verify::TrustPolicy;

/// Finds and verifies the tar that the options name; `None` with [`AgentLocation::None`]. A
/// download is a temporary file in `dir`, the tree's cache. A tar of the same version that an
/// earlier bake stored there is used instead of a download.
///
/// # Errors
/// No source has the tar, it cannot be verified, or it is not the agent's image for the
/// architecture.
pub(super) fn acquire(
    options: &Options,
    config: &Config,
    dir: &Path,
    previous: &Manifest,
    stop: &Stop,
) -> Result<Option<InstallableTar>> {
    let trust = TrustPolicy::from_config(config)?;
    match &options.agent {
        AgentLocation::None => return Ok(None),
        AgentLocation::File { tar, signature } => {
            return from_file(options, &trust, tar, signature.as_deref()).map(Some);
        }
        AgentLocation::Environment | AgentLocation::Region(_) | AgentLocation::Mirror(_) => {}
    }
    if let Some(tar) = stored(options, &trust, dir, previous) {
        return Ok(Some(tar));
    }
    let region = || imds::region(config, stop);
    let wanted = options.architecture;
    let mut search = Search::new(config, wanted, FetchOptions::new(config), stop, region);
    let tar = match search.find_tar(dir)? {
        Found::Local(tar) => tar.map_file(TarFile::Local),
        Found::Downloaded(tar) => tar.map_file(TarFile::Download),
    };
    let tar = InstallableTar::new(tar, &trust, wanted, options.version.clone())?;
    let version = &config.source.version;
    if let Some(named) = version.conflicts_with_name(&tar.origin) {
        let why = format!(
            "the name of {} (ECS_INIT_AGENT_TAR) says version {named}, --agent-version says \
             {version}",
            tar.origin
        );
        return Err(Error::invalid(why));
    }
    Ok(Some(tar))
}

/// The tar of `--tar` and the signature of `--sig`.
fn from_file(
    options: &Options,
    trust: &TrustPolicy,
    path: &Path,
    signature: Option<&Path>,
) -> Result<InstallableTar> {
    let signature = match signature {
        Some(path) => Some(read_signature(path)?.ok_or_else(|| {
            let why = format!("signature file {} (--sig) not found", path.display());
            Error::unavailable(why)
        })?),
        None => read_signature(&signature_path(path))?,
    };
    let file = open_regular(path).context(|| format!("open the tar {}", path.display()))?;
    // Any user may own it: the verified bytes are copied.
    let tar = UnverifiedTar::new(
        TarFile::Existing(file),
        signature,
        TarSource::File(path.to_owned()),
    )
    .with_trust(FileTrust::Copied);
    let name = path.file_name().map(|name| name.to_string_lossy());
    let version = options.version.clone();
    let version = version.or_else(|| AgentVersion::from_tar_name(name.as_deref()?));
    InstallableTar::new(tar, trust, options.architecture, version)
}

/// The tar of an earlier bake, if it has the wanted version and is still valid.
fn stored(
    options: &Options,
    trust: &TrustPolicy,
    dir: &Path,
    previous: &Manifest,
) -> Option<InstallableTar> {
    let tar = previous.stored_tar(options, dir)?;
    let tar = tar.map_file(TarFile::Existing);
    match InstallableTar::new(tar, trust, options.architecture, options.version.clone()) {
        Ok(mut tar) if previous.has_digest(&tar.verified().sha256()) => {
            previous.origin().clone_into(&mut tar.origin);
            return Some(tar);
        }
        Ok(_) => log::warn!("the tar in the tree is not the one in the manifest; replacing it"),
        Err(error) => log::warn!("{error}; replacing it"),
    }
    None
}

/// Everything in the cache: the tar, its signature, the link to it, and the state that makes
/// the first start load it.
pub(super) fn changes(tar: InstallableTar) -> Vec<Change> {
    let in_cache = |name: &str| Path::new(CACHE).join(name);
    let path = tar.path();
    let link = path
        .file_name()
        .map(|name| Change::link(in_cache(TAR), name));
    let signature = tar
        .signature()
        .map(|bytes| Change::file(signature_path(&path), TAR_MODE, bytes.to_vec()));
    let tar = Change::new(path, Want::Tar(Box::new(tar)));
    let mut changes = vec![tar];
    changes.extend(signature);
    changes.extend(link);
    // 2, as packages write: load the tar even if Docker has an image.
    changes.push(Change::file(in_cache("state"), 0o644, b"2\n"));
    changes
}

/// File names in the cache that must not stay: the tar of the previous bake, and signatures of
/// tars that are gone.
pub(super) fn stale_names(tar: &InstallableTar, previous: &Manifest) -> Vec<String> {
    let signature = |name: &str| format!("{name}.asc");
    let mut names = vec![signature(TAR)];
    let path = tar.path();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if tar.signature().is_none() {
        names.push(signature(&name));
    }
    if let Some(old) = previous.tar_name().filter(|old| **old != *name) {
        names.extend([old.to_owned(), signature(old)]);
    }
    names
}

#[cfg(test)]
mod tests;
