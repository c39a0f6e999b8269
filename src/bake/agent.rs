//! The agent's tar for the tree: found as at boot, and through the same gate.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::manifest::Previous;
use super::options::{AgentTar, Options};
use crate::cache;
use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::fetch::{FetchOptions, Found, Search, imds};
use crate::fs::TempFile;
use crate::image::{self, Archive};
use crate::sys::file::open_regular;
use crate::sys::signal::Stop;
use crate::types::{
    AgentVersion, Architecture, FileTrust, TarSource, UnverifiedTar, read_signature, signature_path,
};
use crate::verify::TrustPolicy;

/// A tar that may be put into the tree: it is verified, and the agent's for the architecture.
/// Only [`acquire`] makes one.
#[derive(Debug)]
pub struct Agent {
    archive: Archive,
    /// The verified download, in the tree's cache.
    temp: Option<TempFile>,
    /// Which one it is said to be.
    version: Option<AgentVersion>,
    /// Where it came from, in words for the manifest.
    origin: String,
}

impl Agent {
    /// The archive that was looked into.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Its detached signature; none if the configuration allows to do without.
    #[must_use]
    pub fn signature(&self) -> Option<&[u8]> {
        self.archive.verified().signature()
    }

    /// Which one it is said to be. No signature covers this.
    #[must_use]
    pub fn version(&self) -> Option<&AgentVersion> {
        self.version.as_ref()
    }

    /// Where it came from: a URL, or a file's name without the build machine's directories.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Its path in the tree: the name that Amazon's packages use, which says the version.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(cache::DIRECTORY).join(match &self.version {
            Some(version) => format!("ecs-agent-{version}.tar"),
            None => "ecs-agent-baked.tar".to_owned(),
        })
    }

    /// The tar as a file without a name in `dir`: the download itself, or a copy whose bytes are
    /// those that were verified.
    ///
    /// # Errors
    /// The file system will not, or the tar was changed since it was verified.
    pub fn staged(&mut self, dir: &Path) -> Result<TempFile> {
        if let Some(temp) = self.temp.take() {
            return Ok(temp);
        }
        let copy = || -> io::Result<TempFile> {
            let part = TempFile::create(dir)?;
            let (mut tar, _) = self.archive.reader()?;
            io::copy(&mut tar, &mut part.file())?;
            part.file().flush()?;
            Ok(part)
        };
        copy().context(|| format!("copy the tar into {}", dir.display()))
    }
}

/// Finds the tar that was ordered and lets it through the gate. A download lies in the tree's
/// cache, `dir`, without a name. What an earlier `bake` of the same version put there is taken
/// from there, so that twice is once.
///
/// # Errors
/// No source has it; it is not trusted; it is not the agent's image for the architecture.
pub fn acquire(
    options: &Options,
    config: &Config,
    dir: &Path,
    previous: &Previous,
    stop: &Stop,
) -> Result<Agent> {
    let trust = TrustPolicy::from_config(config)?;
    let wanted = options.architecture;
    if let AgentTar::File { tar, signature } = &options.agent {
        let signature = match signature {
            Some(path) => Some(read_signature(path)?.ok_or_else(|| {
                Error::new(
                    Kind::InvalidInput,
                    format!("there is no signature {} (--sig)", path.display()),
                )
            })?),
            None => read_signature(&signature_path(tar))?,
        };
        let file = open_regular(tar).context(|| format!("open the tar {}", tar.display()))?;
        // A user's download, as the umask made it; [`Agent::staged`] copies what was verified.
        let acquired = UnverifiedTar::new(file, signature, TarSource::File(tar.clone()))
            .with_trust(FileTrust::Copied);
        let name = tar.file_name().map(|name| name.to_string_lossy());
        let version = options.version.clone();
        let version = version.or_else(|| AgentVersion::from_tar_name(name.as_deref()?));
        let (_, mut agent) = verify(&trust, acquired, wanted)?;
        agent.version = version;
        return Ok(agent);
    }
    if let Some(there) = previous.same(options, dir) {
        match verify(&trust, there, wanted) {
            Ok((_, mut agent)) if previous.is(&agent.archive) => {
                agent.version.clone_from(&options.version);
                previous.origin().clone_into(&mut agent.origin);
                return Ok(agent);
            }
            Ok(_) => log::warn!("the tar in the tree is not what was baked; fetching another"),
            Err(error) => log::warn!("{error}; fetching another"),
        }
    }
    let mut agent = match found(config, wanted, dir, stop)? {
        Found::Local(tar) => verify(&trust, tar, wanted)?.1,
        Found::Downloaded(tar) => {
            let (temp, mut agent) = verify(&trust, tar, wanted)?;
            agent.temp = Some(temp);
            agent
        }
    };
    let version = &config.source.version;
    if let Some(named) = version.conflicts_with_name(&agent.origin) {
        return Err(Error::new(
            Kind::InvalidInput,
            format!(
                "the name of {} (ECS_INIT_AGENT_TAR) says {named}, and the order {version}",
                agent.origin
            ),
        ));
    }
    agent.version.clone_from(&options.version);
    Ok(agent)
}

fn found(config: &Config, wanted: Architecture, dir: &Path, stop: &Stop) -> Result<Found> {
    let region = || imds::region(config, stop);
    Search::new(config, wanted, FetchOptions::new(config), stop, region).next(dir)
}

/// Verifies a tar. The file that was verified is returned by its owner.
fn verify<F: Borrow<File>>(
    trust: &TrustPolicy,
    tar: UnverifiedTar<F>,
    wanted: Architecture,
) -> Result<(F, Agent)> {
    let verified = trust.verify(tar)?;
    let origin = match verified.source() {
        TarSource::Url(url) => url.clone(),
        TarSource::File(path) | TarSource::Cache(path) | TarSource::Update(path) => {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        }
    };
    let archive = image::check(verified, wanted)?;
    let (file, archive) = archive
        .split()
        .context(|| format!("duplicate the file descriptor of {origin}"))?;
    let agent = Agent {
        archive,
        temp: None,
        version: None,
        origin,
    };
    Ok((file, agent))
}
