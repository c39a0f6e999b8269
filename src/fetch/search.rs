//! From place to place, until one has the tar.

use std::borrow::Borrow;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::download::{self, Download, Terms};
use super::progress::Least;
use super::retry::{Patience, Verdict, verdict};
use super::trouble::Trouble;
use super::urls::{Candidate, buckets, key, mirror};
use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::fs::{TempFile, remove_stale};
use crate::http::failure::Failure;
use crate::http::url::redact;
use crate::http::web::{Limits, Web};
use crate::sys::file::open_regular;
use crate::sys::signal::Stop;
use crate::types::{
    AgentVersion, Architecture, TarSource, UnverifiedTar, read_signature, signature_path,
};

/// How the web is used. The defaults are what the program runs with.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// The limits of each request.
    pub limits: Limits,
    /// How long one source may fail.
    pub patience: Patience,
    /// The least progress of a transfer.
    pub least: Least,
}

impl Manners {
    /// As the configuration wants it.
    #[must_use]
    pub fn new(config: &Config) -> Manners {
        Manners {
            limits: Limits::default(),
            patience: Patience::new(config.source.retry_time),
            least: Least::default(),
        }
    }
}

/// The tar that the configuration names.
#[derive(Debug)]
pub struct LocalTar {
    file: File,
    path: PathBuf,
}

impl LocalTar {
    /// Its path, below the root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Borrow<File> for LocalTar {
    fn borrow(&self) -> &File {
        &self.file
    }
}

/// A tar that was found.
#[derive(Debug)]
pub enum Found {
    /// A file on this host.
    Local(UnverifiedTar<LocalTar>),
    /// Fetched; the cache may keep it once it is verified.
    Downloaded(Download),
}

/// Where the search stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    File,
    Mirror,
    Buckets,
    Over,
}

/// A search for the tar. Each place is asked only when its turn comes.
pub struct Search<'a, R> {
    config: &'a Config,
    manners: Manners,
    architecture: Architecture,
    stop: &'a Stop,
    /// Asks for the region; gone once it was asked.
    region: Option<R>,
    turn: Turn,
    buckets: std::vec::IntoIter<Candidate>,
    web: Option<Web>,
    /// What each place answered, for the last error.
    failures: Vec<String>,
}

impl<'a, R: FnOnce() -> Result<String>> Search<'a, R> {
    /// A search from the beginning. `region` is called at most once.
    pub fn new(
        config: &'a Config,
        architecture: Architecture,
        manners: Manners,
        stop: &'a Stop,
        region: R,
    ) -> Self {
        Search {
            config,
            manners,
            architecture,
            stop,
            region: Some(region),
            turn: Turn::File,
            buckets: Vec::new().into_iter(),
            web: None,
            failures: Vec::new(),
        }
    }

    /// The next place's tar, unverified. Called again, it goes on after the place that had the
    /// last one.
    ///
    /// # Errors
    /// No place has it: what each of them answered. Or nothing could have it: our own disk, a
    /// configuration that cannot be used, the order to stop.
    pub fn next(&mut self, dir: &Path) -> Result<Found> {
        if self.turn == Turn::File {
            self.turn = Turn::Mirror;
            let config = self.config;
            if let Some(tar) = &config.source.tar {
                let path = config.root.at(&**tar);
                if let Some(found) = local(path.clone())? {
                    return Ok(Found::Local(found));
                }
                self.failed(format!("{}: no such file ({})", path.display(), tar.origin));
            }
        }
        let key = key(&self.config.source.version, self.architecture);
        while let Some(candidate) = self.candidate(&key)? {
            let part = temp_file_in(dir)?;
            let terms = self.terms();
            let tar = download::tar(self.web()?, &terms, &candidate, part);
            if let Some(download) = self.judge(&candidate, tar)? {
                return Ok(Found::Downloaded(download));
            }
        }
        Err(self.over("no source has the agent's tar"))
    }

    /// The signature of a tar of this version, for a cached tar that came without one. Asks the
    /// mirror and the buckets.
    ///
    /// # Errors
    /// As [`Search::next`].
    pub fn signature(mut self, version: &AgentVersion) -> Result<Vec<u8>> {
        self.turn = Turn::Mirror;
        let key = key(version, self.architecture);
        while let Some(candidate) = self.candidate(&key)? {
            let terms = self.terms();
            let signature = download::signature(self.web()?, &terms, &candidate);
            if let Some(signature) = self.judge(&candidate, signature)? {
                log::info!("fetched {}", redact(&candidate.signature_url()));
                return Ok(signature);
            }
        }
        Err(self.over(&format!("no source has the signature of {key}")))
    }

    /// The next URL to ask.
    fn candidate(&mut self, key: &str) -> Result<Option<Candidate>> {
        loop {
            match self.turn {
                Turn::File | Turn::Mirror => {
                    self.turn = Turn::Buckets;
                    if let Some(base) = &self.config.source.mirror {
                        return Ok(Some(mirror(base, key)));
                    }
                }
                Turn::Buckets => {
                    if let Some(region) = self.region.take() {
                        match region() {
                            Ok(region) => {
                                let all = buckets(&region, key, &self.config.web);
                                self.buckets = all.into_iter();
                            }
                            Err(e) if e.is_interrupted() => return Err(e),
                            Err(e) => self.failed(e.to_string()),
                        }
                    }
                    match self.buckets.next() {
                        Some(candidate) => return Ok(Some(candidate)),
                        None => self.turn = Turn::Over,
                    }
                }
                Turn::Over => return Ok(None),
            }
        }
    }

    /// What a source gave; `None` to go on to the next.
    fn judge<T>(&mut self, from: &Candidate, got: Result<T, Trouble>) -> Result<Option<T>> {
        let trouble = match got {
            Ok(got) => return Ok(Some(got)),
            Err(trouble) => trouble,
        };
        if verdict(&trouble) == Verdict::Fatal {
            return Err(trouble.into());
        }
        let why = format!("{} ({}): {trouble}", from.place, redact(&from.url));
        if matches!(trouble, Trouble::Web(Failure::Tls(_))) {
            // Somebody may be listening in between.
            log::error!("{why}");
            self.failures.push(why);
        } else {
            self.failed(why);
        }
        Ok(None)
    }

    fn failed(&mut self, why: String) {
        log::warn!("{why}");
        self.failures.push(why);
    }

    fn over(&self, what: &str) -> Error {
        if self.failures.is_empty() {
            return Error::new(
                Kind::InvalidInput,
                format!("{what}: every source has been tried"),
            );
        }
        Error::new(
            Kind::InvalidInput,
            format!("{what}: {}", self.failures.join("; ")),
        )
    }

    fn terms(&self) -> Terms<'a> {
        Terms {
            limit: self.config.source.download_limit,
            patience: self.manners.patience,
            least: self.manners.least,
            stop: self.stop,
        }
    }

    /// The client, made when it is first needed: a CA bundle that is broken does not matter to a
    /// local tar.
    fn web(&mut self) -> Result<&Web> {
        let web = match self.web.take() {
            Some(web) => web,
            None => Web::new(self.config, self.manners.limits, self.stop.clone())?,
        };
        Ok(self.web.insert(web))
    }
}

/// A file in `dir` for a download. Creates the directory, and removes what killed downloads left.
fn temp_file_in(dir: &Path) -> Result<TempFile> {
    fs::create_dir_all(dir)
        .and_then(|()| remove_stale(dir))
        .and_then(|()| TempFile::create(dir))
        .context(|| format!("create a file in {}", dir.display()))
}

/// A tar on this host with its signature beside it; `None` if it is not there.
fn local(path: PathBuf) -> Result<Option<UnverifiedTar<LocalTar>>> {
    let file = match open_regular(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.context(|| format!("open the tar {}", path.display()))?,
    };
    let signature = read_signature(&signature_path(&path))?;
    let source = TarSource::File(path.clone());
    let file = LocalTar { file, path };
    Ok(Some(UnverifiedTar::new(file, signature, source)))
}
