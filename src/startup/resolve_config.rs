//! Waits for the final configuration: the files of `ECS_INIT_WAIT_FOR`, then the layer from S3.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::{self, Config, FILES};
use crate::error::{Error, Result};
use crate::fetch::s3_config;
use crate::logging;
use crate::retry;
use crate::sys::signal::Stop;

/// The pause between two checks of a file. One stat(2) for each file is cheap enough; inotify would
/// need a watch for each missing directory, and would miss a file system that is mounted over one.
const PAUSE: Duration = Duration::from_millis(500);

/// Returns the configuration that is effective after all files exist and the layer from S3 is
/// fetched.
///
/// # Errors
/// A file does not appear in time; the layer cannot be fetched; `stop` was requested.
pub fn resolve_config(config: &Config, stop: &Stop) -> Result<Config> {
    resolve_with(config, stop, read)
}

/// [`resolve_config`] with a replaceable `read`, for tests.
fn resolve_with(config: &Config, stop: &Stop, read: impl Fn() -> Config) -> Result<Config> {
    let mut config = config.clone();
    // Ignores the S3 layer of the previous boot: a wrong `ECS_INIT_WAIT_FOR` in it would block the
    // fetch of the corrected layer.
    let base = config.s3.as_ref().map_or(&config, |layer| &*layer.base);
    if !base.wait_for.is_empty() {
        wait_for_files(base, stop)?;
        config = read();
    }
    if s3_config::fetch(&config, stop)? {
        config = read();
    }
    Ok(config)
}

/// Reads files and environment again.
fn read() -> Config {
    let (config, warnings) = Config::load(config::environment());
    logging::set_level(config.log_level);
    config::log_once(warnings);
    config
}

/// Waits until every file of `ECS_INIT_WAIT_FOR` exists.
fn wait_for_files(config: &Config, stop: &Stop) -> Result<()> {
    config.check_wait_for()?;
    let start = Instant::now();
    let limit = config.wait_for_timeout;
    for path in &config.wait_for {
        let shown = path.display();
        let mut logged = false;
        while let Some(problem) = missing(config, path) {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Error::unavailable(format!(
                    "ECS_INIT_WAIT_FOR: {shown} is missing after {} s \
                         (ECS_INIT_WAIT_FOR_TIMEOUT): {problem}",
                    limit.as_secs()
                )));
            }
            if !logged {
                log::info!("waiting for {shown}, at most {} s", left.as_secs());
                logged = true;
            }
            retry::sleep(stop, left.min(PAUSE))?;
        }
    }
    Ok(())
}

/// Why the file is not there yet. A dangling link is not there; neither is an empty configuration
/// file, because packages and `bake` create empty ones.
fn missing(config: &Config, path: &Path) -> Option<String> {
    match fs::metadata(config.root.at(path)) {
        Err(error) => Some(error.to_string()),
        Ok(file) => {
            let is_configuration = FILES.iter().any(|name| path == Path::new(name));
            let is_empty = file.is_file() && file.len() == 0;
            (is_configuration && is_empty).then(|| "the file is empty".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::testing::TempDir;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    fn config(root: &TempDir, wait_for: &str, timeout: &str) -> Config {
        let root = root.path().to_string_lossy();
        let all = [
            ("ECS_INIT_ROOT", &*root),
            ("ECS_INIT_WAIT_FOR", wait_for),
            ("ECS_INIT_WAIT_FOR_TIMEOUT", timeout),
        ];
        let (config, warnings) = Config::load(all.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert!(warnings.is_empty(), "{warnings:?}");
        config
    }

    #[test]
    fn config_is_read_again_after_files_exist() {
        let root = TempDir::new("resolve-config");
        let (file, late) = ("/etc/ecs/ecs.config", "/run/late");
        let old = config(&root, &format!("{file}, {late}"), "3600");
        let at = |path: &str| old.root.at(path);
        let write = |path: &str, text: &str| {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), text).unwrap();
        };
        let new = std::thread::scope(|scope| {
            scope.spawn(|| {
                write(file, "ECS_EXTERNAL=true\n");
                write(late, "");
            });
            resolve_with(&old, &Stop::never(), || {
                assert!(at(file).exists() && at(late).exists(), "read too early");
                config(&root, "", "")
            })
        });
        assert!(!old.external && new.unwrap().external);
    }

    #[test]
    fn config_is_not_read_again_without_wait_for() {
        let root = TempDir::new("resolve-config");
        let old = config(&root, "", "");
        resolve_with(&old, &Stop::never(), || panic!("read again")).unwrap();
    }

    #[test]
    fn missing_file_or_dangling_link_times_out() {
        let root = TempDir::new("resolve-config");
        fs::write(root.path().join("here"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).unwrap();
        for missing in ["/gone", "/dangling"] {
            let config = config(&root, &format!("/here,{missing}"), "0");
            let error = resolve_with(&config, &Stop::never(), || panic!("read again")).unwrap_err();
            assert_eq!(error.kind(), Kind::Unavailable);
            assert!(error.to_string().contains(missing), "{error}");
        }
    }

    #[test]
    fn empty_config_file_counts_as_missing() {
        let root = TempDir::new("resolve-config");
        let file = root.path().join("etc/ecs/ecs.config");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        let config = config(&root, "/etc/ecs/ecs.config", "0");
        let error = resolve_with(&config, &Stop::never(), || panic!("read again")).unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.to_string().contains("empty"), "{error}");
        fs::write(&file, "\n").unwrap();
        resolve_with(&config, &Stop::never(), || config.clone()).unwrap();
    }

    #[test]
    fn relative_wait_for_path_is_rejected() {
        let root = TempDir::new("resolve-config");
        let mut config = config(&root, "/gone", "3600");
        config.wait_for.push("etc/late".into());
        let error = resolve_with(&config, &Stop::never(), || panic!("read again")).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput);
        assert!(error.to_string().contains("'etc/late'"), "{error}");
    }

    #[test]
    fn wait_for_in_s3_layer_has_no_effect() {
        let root = TempDir::new("resolve-config");
        let fetched = root.path().join("var/lib/ecs/ecs.config.s3");
        fs::create_dir_all(fetched.parent().unwrap()).unwrap();
        let url = "s3://fleet/ecs.config";
        let object = "ECS_INIT_WAIT_FOR=/typo\nECS_INIT_WAIT_FOR_TIMEOUT=0\n";
        fs::write(fetched, format!("# {url}\n{object}")).unwrap();
        let all = [
            ("ECS_INIT_ROOT", &*root.path().to_string_lossy()),
            ("ECS_INIT_CONFIG_S3", url),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let (config, _) = Config::load(all.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(
            config.wait_for,
            [Path::new("/typo")],
            "the layer is effective"
        );
        let error = resolve_with(&config, &Stop::never(), || panic!("read again")).unwrap_err();
        // The error is from the fetch, not from the wait.
        let text = error.to_string();
        assert!(text.contains("AWS_EC2_METADATA_DISABLED"), "{text}");
    }

    #[test]
    fn stop_ends_the_wait() {
        let root = TempDir::new("resolve-config");
        let (request, stop) = UnixStream::pair().unwrap();
        drop(request);
        let stop = Stop::from(OwnedFd::from(stop));
        let config = config(&root, "/gone", "3600");
        let error = resolve_with(&config, &stop, || panic!("read again")).unwrap_err();
        assert!(error.is_interrupted());
    }
}
