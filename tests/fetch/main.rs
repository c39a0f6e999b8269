//! Acquiring, against real servers on loopback: every fault that the web is known for, TLS,
//! proxies, the instance metadata service, and a process that is killed in the middle.

mod cut;
mod kept;
mod logs;
mod metadata;
mod places;
mod process;
mod proxies;
mod s3;
mod server;
mod signing;
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

/// A host of one's own: an empty root and its configuration.
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
        let dir = TempDir::new("acquire");
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

    /// With a mirror, and no other source that could answer.
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
        match self.search().next(self.cache.dir())? {
            Found::Downloaded(download) => Ok(download),
            Found::Local(found) => panic!("not from the web: {}", found.source()),
        }
    }

    /// Fetches, and gives tar and signature.
    fn content(&self) -> Result<(Vec<u8>, Vec<u8>)> {
        let download = self.fetch()?;
        Ok(both(&download))
    }

    /// Whether a search that fails asks more than once: at the first patience that has room for
    /// two requests, however slow the machine.
    fn asks_again(&mut self, asked: impl Fn() -> usize, says: impl Fn(&str) -> bool) -> bool {
        (0..11).any(|n| {
            self.options.retry.limit = RetryLimit::Time(Duration::from_millis(50 << n));
            let before = asked();
            let error = refused(self);
            assert!(says(&error), "{error}");
            asked() - before > 1
        })
    }

    /// The names in the cache's directory.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.cache.dir()).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// The content of a download and its signature.
fn both(download: &Download) -> (Vec<u8>, Vec<u8>) {
    let mut file = download.file().file();
    let mut tar = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut tar).unwrap();
    (tar, download.signature().unwrap().to_vec())
}

/// Whether this is a file on its way.
fn is_part(name: &str) -> bool {
    std::path::Path::new(name).extension() == Some("part".as_ref())
}

/// The error of a search that must fail.
fn refused(host: &Host) -> String {
    let error = host.fetch().map(|d| d.source().to_string()).unwrap_err();
    error.to_string()
}
