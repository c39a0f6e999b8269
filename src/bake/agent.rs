//! The agent's tar for the tree: found as at boot and verified in the same way.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use super::options::{AgentTar, Options};
use super::{CACHE, Change, Want};
use crate::cache::TAR;
use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::fetch::{FetchOptions, Found, LocalTar, Search, imds};
use crate::fs::TempFile;
use crate::image::{self, Archive};
use crate::sys::file::open_regular;
use crate::sys::signal::Stop;
use crate::types::{
    AgentVersion, Architecture, FileTrust, TarSource, UnverifiedTar, read_signature, signature_path,
};
use crate::verify::{TrustPolicy, Verified};

/// Permission bits of the tar and its signature, as in Amazon's packages.
pub(super) const TAR_MODE: u32 = 0o644;

/// A tar that may be stored in the tree: verified, and an image of the agent for the architecture.
/// The file that is stored is the one that was verified, or a copy with the same digest. Only
/// [`acquire`] makes one.
#[derive(Debug)]
pub(super) struct VerifiedTar {
    archive: Archive<TarFile>,
    version: Option<AgentVersion>,
    origin: String,
}

/// The open file of a tar.
#[derive(Debug)]
enum TarFile {
    /// A download to the tree's cache. It becomes the stored file.
    Download(TempFile),
    /// The file that `ECS_INIT_AGENT_TAR` names. It is copied.
    Local(LocalTar),
    /// Any other file. It is copied.
    Existing(File),
}

impl Borrow<File> for TarFile {
    fn borrow(&self) -> &File {
        match self {
            TarFile::Download(temp) => temp.file(),
            TarFile::Local(file) => file.borrow(),
            TarFile::Existing(file) => file,
        }
    }
}

impl VerifiedTar {
    /// The result of the verification.
    pub fn verified(&self) -> &Verified<impl Borrow<File>> {
        self.archive.verified()
    }

    /// Its detached signature; `None` if the configuration allows an unsigned tar.
    pub fn signature(&self) -> Option<&[u8]> {
        self.verified().signature()
    }

    /// Its version, from the command line or the file's name. The signature does not cover it.
    pub fn version(&self) -> Option<&AgentVersion> {
        self.version.as_ref()
    }

    /// Where it came from: a URL, or a file name without directories of the build machine.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Its path in the image, which contains the version, as in Amazon's packages.
    pub fn path(&self) -> PathBuf {
        Path::new(CACHE).join(match &self.version {
            Some(version) => format!("ecs-agent-{version}.tar"),
            None => "ecs-agent-baked.tar".to_owned(),
        })
    }

    /// The tar as a temporary file in `dir`: the download itself, or a copy, whose digest is
    /// compared with the verified one.
    ///
    /// # Errors
    /// The file system returned an error, or the tar changed after its verification.
    pub fn into_temp_file(self, dir: &Path) -> Result<TempFile> {
        let copy = || -> io::Result<TempFile> {
            let (file, archive) = self.archive.split()?;
            if let TarFile::Download(temp) = file {
                return Ok(temp);
            }
            let temp = TempFile::create(dir)?;
            let (mut tar, _) = archive.reader()?;
            io::copy(&mut tar, &mut temp.file())?;
            temp.file().flush()?;
            Ok(temp)
        };
        copy().context(|| format!("copy the tar to {}", dir.display()))
    }

    /// Everything in the cache: the tar, its signature, the link to it, and the state that makes
    /// the first start load it.
    pub fn changes(self) -> Vec<Change> {
        let in_cache = |name: &str| Path::new(CACHE).join(name);
        let path = self.path();
        let link = path
            .file_name()
            .map(|name| Change::link(in_cache(TAR), name));
        let signature = self
            .signature()
            .map(|bytes| Change::file(signature_path(&path), TAR_MODE, bytes.to_vec()));
        let tar = Change::new(path, Want::Tar(Box::new(self)));
        let mut changes = vec![tar];
        changes.extend(signature);
        changes.extend(link);
        // 2: load the tar even if Docker has an image; what packages write.
        changes.push(Change::file(in_cache("state"), 0o644, b"2\n"));
        changes
    }

    /// File names in the cache that must not stay: the tar of the previous bake, and signatures of
    /// tars that are gone.
    pub fn stale_names(&self, previous: &Manifest) -> Vec<String> {
        let signature = |tar: &str| format!("{tar}.asc");
        let mut names = vec![signature(TAR)];
        let path = self.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if self.signature().is_none() {
            names.push(signature(&name));
        }
        if let Some(old) = previous.tar().filter(|old| **old != *name) {
            names.extend([old.to_owned(), signature(old)]);
        }
        names
    }
}

/// Finds and verifies the tar that the options name; `None` with [`AgentTar::None`]. A download is
/// a temporary file in `dir`, the tree's cache. A tar of the same version that an earlier bake
/// stored there is used instead of a download.
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
) -> Result<Option<VerifiedTar>> {
    let trust = TrustPolicy::from_config(config)?;
    let wanted = options.architecture;
    match &options.agent {
        AgentTar::None => return Ok(None),
        AgentTar::File { tar, signature } => {
            let signature = match signature {
                Some(path) => Some(read_signature(path)?.ok_or_else(|| {
                    let why = format!("signature file {} (--sig) not found", path.display());
                    Error::new(Kind::Unavailable, why)
                })?),
                None => read_signature(&signature_path(tar))?,
            };
            let file = open_regular(tar).context(|| format!("open the tar {}", tar.display()))?;
            // Any user may own it: the verified bytes are copied.
            let source = TarSource::File(tar.clone());
            let unverified = UnverifiedTar::new(TarFile::Existing(file), signature, source)
                .with_trust(FileTrust::Copied);
            let name = tar.file_name().map(|name| name.to_string_lossy());
            let version = options.version.clone();
            let version = version.or_else(|| AgentVersion::from_tar_name(name.as_deref()?));
            return verify(&trust, unverified, wanted, version).map(Some);
        }
        AgentTar::Environment | AgentTar::Region(_) | AgentTar::Mirror(_) => {}
    }
    let version = options.version.clone();
    if let Some(stored) = previous.stored_tar(options, dir) {
        match verify(
            &trust,
            stored.map_file(TarFile::Existing),
            wanted,
            version.clone(),
        ) {
            Ok(mut tar) if previous.has_digest(&tar.verified().sha256()) => {
                previous.origin().clone_into(&mut tar.origin);
                return Ok(Some(tar));
            }
            Ok(_) => log::warn!("the tar in the tree is not the one in the manifest; replacing it"),
            Err(error) => log::warn!("{error}; replacing it"),
        }
    }
    let region = || imds::region(config, stop);
    let mut search = Search::new(config, wanted, FetchOptions::new(config), stop, region);
    let unverified = match search.next(dir)? {
        Found::Local(tar) => tar.map_file(TarFile::Local),
        Found::Downloaded(tar) => tar.map_file(TarFile::Download),
    };
    let tar = verify(&trust, unverified, wanted, version)?;
    let wanted = &config.source.version;
    if let Some(named) = wanted.conflicts_with_name(&tar.origin) {
        return Err(Error::new(
            Kind::InvalidInput,
            format!(
                "the name of {} (ECS_INIT_AGENT_TAR) says version {named}, --agent-version says \
                 {wanted}",
                tar.origin
            ),
        ));
    }
    Ok(Some(tar))
}

fn verify(
    trust: &TrustPolicy,
    tar: UnverifiedTar<TarFile>,
    wanted: Architecture,
    version: Option<AgentVersion>,
) -> Result<VerifiedTar> {
    let verified = trust.verify(tar)?;
    let origin = match verified.source() {
        TarSource::Url(url) => url.clone(),
        TarSource::File(path) | TarSource::Cache(path) | TarSource::Update(path) => {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        }
    };
    let archive = image::check(verified, wanted)?;
    Ok(VerifiedTar {
        archive,
        version,
        origin,
    })
}

#[cfg(test)]
mod tests;
