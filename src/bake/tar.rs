//! A verified tar of the agent, to be stored in the tree.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::CACHE;
use crate::error::{Context, Result};
use crate::fetch::LocalTar;
use crate::fs::TempFile;
use crate::image::{self, Archive};
use crate::types::{AgentVersion, Architecture, TarSource, UnverifiedTar};
use crate::verify::{TrustPolicy, Verified};

/// Permission bits of the tar and its signature, as in Amazon's packages.
pub(super) const TAR_MODE: u32 = 0o644;

/// A tar that may be stored in the tree: verified, and an image of the agent for the architecture.
/// The file that is stored is the one that was verified, or a copy with the same digest. Only
/// [`InstallableTar::new`] makes one.
#[derive(Debug)]
pub(super) struct InstallableTar {
    archive: Archive<TarFile>,
    /// Its version, from the command line or the file's name. The signature does not cover it.
    pub version: Option<AgentVersion>,
    /// Where it came from: a URL, or a file name without directories of the build machine.
    pub origin: String,
}

/// The open file of a tar.
#[derive(Debug)]
pub(super) enum TarFile {
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

impl InstallableTar {
    /// Verifies a tar and checks that it is the agent's image for this architecture.
    ///
    /// # Errors
    /// It is not trusted, or not such an image.
    pub fn new(
        tar: UnverifiedTar<TarFile>,
        trust: &TrustPolicy,
        wanted: Architecture,
        version: Option<AgentVersion>,
    ) -> Result<InstallableTar> {
        let verified = trust.verify(tar)?;
        let origin = match verified.source() {
            TarSource::Url(url) => url.clone(),
            TarSource::File(path) | TarSource::Cache(path) | TarSource::Update(path) => {
                let name = path.file_name().unwrap_or_default();
                name.to_string_lossy().into_owned()
            }
        };
        let archive = image::check(verified, wanted)?;
        Ok(InstallableTar {
            archive,
            version,
            origin,
        })
    }

    /// The result of the verification.
    pub fn verified(&self) -> &Verified<impl Borrow<File>> {
        self.archive.verified()
    }

    /// Its detached signature; `None` if the configuration allows an unsigned tar.
    pub fn signature(&self) -> Option<&[u8]> {
        self.verified().signature()
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
}
