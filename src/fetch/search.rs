//! The search for the tar: one source after the other, until one has it.

use std::borrow::Borrow;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::download::{self, Download};
use super::options::FetchOptions;
use super::urls::{Candidate, bucket_candidates, mirror_candidate, object_key};
use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::fs::{TempFile, create_directory, if_exists, remove_stale};
use crate::http::Client;
use crate::http::url::redact;
use crate::sys::file::open_regular;
use crate::sys::signal::Stop;
use crate::types::{
    AgentVersion, Architecture, TarSource, UnverifiedTar, read_signature, signature_path,
};

/// The tar that the configuration names.
#[derive(Debug)]
pub struct LocalTar {
    file: File,
    path: PathBuf,
}

impl LocalTar {
    /// Its path, below the root.
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
    /// A download in a temporary file.
    Downloaded(Download),
}

/// The next source to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    File,
    Mirror,
    Buckets,
    Done,
}

/// A search for the tar.
pub struct Search<'a, R> {
    config: &'a Config,
    options: FetchOptions,
    architecture: Architecture,
    stop: &'a Stop,
    /// Returns the region; `None` after it was called.
    region: Option<R>,
    step: Step,
    buckets: std::vec::IntoIter<Candidate>,
    client: Option<Client>,
    /// Why each source tried so far does not have the tar.
    failures: Vec<String>,
}

impl<'a, R: FnOnce() -> Result<String>> Search<'a, R> {
    /// A search that starts with the first source. `region` is called at most once, when the
    /// search comes to the buckets.
    pub fn new(
        config: &'a Config,
        architecture: Architecture,
        options: FetchOptions,
        stop: &'a Stop,
        region: R,
    ) -> Self {
        Search {
            config,
            options,
            architecture,
            stop,
            region: Some(region),
            step: Step::File,
            buckets: Vec::new().into_iter(),
            client: None,
            failures: Vec::new(),
        }
    }

    /// The tar of the next source that has it. A download goes to a temporary file in `dir`, which
    /// is created if needed.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]: no source has it, with the reason of each. Other kinds: no source
    /// can be used, because of this host, the configuration or SIGTERM.
    pub fn find_tar(&mut self, dir: &Path) -> Result<Found> {
        if self.step == Step::File {
            self.step = Step::Mirror;
            let config = self.config;
            if let Some(tar) = &config.source.tar {
                let path = config.root.at(&**tar);
                if let Some(found) = open_local(&path)? {
                    return Ok(Found::Local(found));
                }
                self.failed(format!("{}: no such file ({})", path.display(), tar.origin));
            }
        }
        let key = object_key(&self.config.source.version, self.architecture);
        while let Some(candidate) = self.candidate(&key)? {
            let temp = temp_file_in(dir)?;
            let (options, stop) = (self.options, self.stop);
            let tar = download::tar(self.client()?, &options, stop, &candidate, temp);
            if let Some(download) = self.found(&candidate, tar)? {
                return Ok(Found::Downloaded(download));
            }
        }
        Err(self.exhausted("no source has the agent's tar"))
    }

    /// The signature of this version's tar, from the mirror or a bucket.
    ///
    /// # Errors
    /// As [`Search::find_tar`].
    pub fn signature(mut self, version: &AgentVersion) -> Result<Vec<u8>> {
        self.step = Step::Mirror;
        let key = object_key(version, self.architecture);
        while let Some(candidate) = self.candidate(&key)? {
            let (options, stop) = (self.options, self.stop);
            let signature = download::signature(self.client()?, &options, stop, &candidate);
            if let Some(signature) = self.found(&candidate, signature)? {
                log::info!("downloaded {}", redact(&candidate.signature_url()));
                return Ok(signature);
            }
        }
        Err(self.exhausted(&format!("no source has the signature of {key}")))
    }

    /// The next URL to try.
    fn candidate(&mut self, key: &str) -> Result<Option<Candidate>> {
        loop {
            match self.step {
                Step::File | Step::Mirror => {
                    self.step = Step::Buckets;
                    if let Some(base) = &self.config.source.mirror {
                        return Ok(Some(mirror_candidate(base, key)));
                    }
                }
                Step::Buckets => {
                    if let Some(region) = self.region.take() {
                        match region() {
                            Ok(region) => {
                                let all = bucket_candidates(&region, key, &self.config.web);
                                self.buckets = all.into_iter();
                            }
                            Err(e) if e.is_interrupted() => return Err(e),
                            Err(e) => self.failed(e.to_string()),
                        }
                    }
                    match self.buckets.next() {
                        Some(candidate) => return Ok(Some(candidate)),
                        None => self.step = Step::Done,
                    }
                }
                Step::Done => return Ok(None),
            }
        }
    }

    /// What a source returned; `None` to try the next one.
    fn found<T>(&mut self, from: &Candidate, result: Result<T>) -> Result<Option<T>> {
        let error = match result {
            Ok(found) => return Ok(Some(found)),
            Err(error) => error,
        };
        let message = format!("{}: {error}", from.kind);
        match error.kind() {
            Kind::Interrupted | Kind::Io => return Err(error),
            Kind::Untrusted => {
                // The connection may be intercepted.
                log::error!("{message}");
                self.failures.push(message);
            }
            _ => self.failed(message),
        }
        Ok(None)
    }

    fn failed(&mut self, message: String) {
        log::warn!("{message}");
        self.failures.push(message);
    }

    fn exhausted(&self, message: &str) -> Error {
        let reasons = match &*self.failures {
            [] => "every source was tried".to_owned(),
            failures => failures.join("; "),
        };
        Error::unavailable(format!("{message}: {reasons}"))
    }

    /// The client. It is created when it is first needed: an invalid CA bundle does not matter for
    /// a local tar.
    fn client(&mut self) -> Result<&Client> {
        let client = match self.client.take() {
            Some(client) => client,
            None => Client::new(self.config, self.options.timeouts, self.stop)?,
        };
        Ok(self.client.insert(client))
    }
}

/// A temporary file in `dir`. Creates the directory, and removes the files of killed downloads.
fn temp_file_in(dir: &Path) -> Result<TempFile> {
    create_directory(dir, 0o755)
        .and_then(|()| remove_stale(dir))
        .and_then(|()| TempFile::create(dir))
        .context(|| format!("create a file in {}", dir.display()))
}

/// A tar on this host and its signature, if there is one; `None` if the tar does not exist.
fn open_local(path: &Path) -> Result<Option<UnverifiedTar<LocalTar>>> {
    let context = || format!("open the tar {}", path.display());
    let Some(file) = if_exists(open_regular(path)).context(context)? else {
        return Ok(None);
    };
    let signature = read_signature(&signature_path(path))?;
    let path = path.to_owned();
    let source = TarSource::File(path.clone());
    let local = LocalTar { file, path };
    Ok(Some(UnverifiedTar::new(local, signature, source)))
}
