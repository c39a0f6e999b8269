//! Downloads from real servers on loopback: faulty responses, TLS, proxies, IMDS, and processes
//! that are killed or stopped.

mod cache;
mod credentials;
mod imds;
mod logs;
mod object;
mod process;
mod proxies;
mod resume;
mod s3;
mod s3_fixture;
mod server;
mod signing;
mod sources;
mod tls;

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use ecs_init::cache::Cache;
use ecs_init::config::Config;
use ecs_init::error::{Error, Kind, Result};
use ecs_init::fetch::{Download, FetchOptions, Found, Search};
use ecs_init::retry::RetryLimit;
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;
use ecs_init::types::Architecture;

/// An empty root and its configuration.
struct Host {
    dir: TempDir,
    config: Config,
    cache: Cache,
    options: FetchOptions,
}

static NEVER: Stop = Stop::never();

impl Host {
    fn new(environment: &[(&str, &str)]) -> Host {
        logs::collect();
        let dir = TempDir::new("fetch");
        let root = dir.path().to_string_lossy().into_owned();
        let mut all = vec![("ECS_INIT_ROOT".to_owned(), root)];
        all.extend(environment.iter().map(|(k, v)| ((*k).into(), (*v).into())));
        let (config, warnings) = Config::load(all);
        assert!(warnings.is_empty(), "{warnings:?}");
        let cache = Cache::new(&config.root);
        let mut options = FetchOptions::new(&config);
        options.retry.first_pause = Duration::from_millis(1);
        options.retry.max_pause = Duration::from_millis(10);
        options.retry.limit = RetryLimit::Time(Duration::from_secs(600));
        Host {
            dir,
            config,
            cache,
            options,
        }
    }

    /// With a mirror as the only source.
    fn mirror(url: &str, environment: &[(&str, &str)]) -> Host {
        let mut all = vec![("ECS_INIT_MIRROR", url)];
        all.extend(environment);
        Host::new(&all)
    }

    fn search(&self) -> Search<'_, impl FnOnce() -> Result<String>> {
        self.search_in(|| Err(Error::new(Kind::InvalidInput, "no region in this test")))
    }

    fn search_in<R: FnOnce() -> Result<String>>(&self, region: R) -> Search<'_, R> {
        Search::new(
            &self.config,
            Architecture::Amd64,
            self.options,
            &NEVER,
            region,
        )
    }

    fn fetch(&self) -> Result<Download> {
        match self.search().find_tar(self.cache.dir())? {
            Found::Downloaded(download) => Ok(download),
            Found::Local(found) => panic!("not a download: {}", found.source()),
        }
    }

    /// Downloads; returns the content of the tar and of its signature.
    fn content(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let download = self.fetch()?;
        Ok(read_tar_and_signature(&download))
    }

    /// Whether a failing search retries, with the first time limit that is long enough for two
    /// requests on this machine. `expected` checks its error.
    fn retries(&mut self, requests: impl Fn() -> usize, expected: impl Fn(&str) -> bool) -> bool {
        (0..11).any(|n| {
            self.options.retry.limit = RetryLimit::Time(Duration::from_millis(50 << n));
            let before = requests();
            let error = fetch_error(self);
            assert!(expected(&error), "{error}");
            requests() - before > 1
        })
    }

    /// The file names in the cache's directory.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.cache.dir()).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// The content of a download and its signature.
fn read_tar_and_signature(download: &Download) -> (Vec<u8>, Vec<u8>) {
    let mut file = download.file().file();
    let mut tar = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut tar).unwrap();
    (tar, download.signature().unwrap().to_vec())
}

/// Whether this is the name of a temporary file.
fn is_temp(name: &str) -> bool {
    std::path::Path::new(name).extension() == Some("part".as_ref())
}

/// The error of a search that must fail.
fn fetch_error(host: &Host) -> String {
    let error = host.fetch().map(|d| d.source().to_string()).unwrap_err();
    error.to_string()
}
