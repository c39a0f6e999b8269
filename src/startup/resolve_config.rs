//! The configuration comes to rest, before `pre-start` and `run` do anything by it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::{self, Config, FILES};
use crate::error::{Context, Error, Kind, Result};
use crate::fetch::s3_config;
use crate::logging;
use crate::sys::signal::{Stop, WaitResult, wait};

/// Between two looks. A look is one stat(2) a file, for some minutes of a boot. inotify would have
/// to watch each directory on the way that is not there yet, and would miss what is mounted over
/// one.
const PAUSE: Duration = Duration::from_millis(500);

/// The configuration that is in force once all that it waits for has come, and what lies in S3 of
/// it has been fetched.
///
/// # Errors
/// If something did not come in time, or was refused: it is named. Or the order to stop came first.
pub fn resolve_config(config: &Config, stop: &Stop) -> Result<Config> {
    resolve_with(config, stop, read)
}

/// [`resolve_config`], with another way to read the configuration anew.
fn resolve_with(config: &Config, stop: &Stop, read: impl Fn() -> Config) -> Result<Config> {
    let mut config = config.clone();
    // Without the layer that was fetched from S3 at an earlier boot: a slip of the pen in it would
    // keep the next fetch, which mends it, from ever beginning.
    let here = config.s3.as_ref().map_or(&config, |layer| &*layer.base);
    if !here.wait_for.is_empty() {
        wait_for(here, stop)?;
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
    logging::level(config.log_level);
    config::log_once(warnings);
    config
}

/// Until every file of `ECS_INIT_WAIT_FOR` is there.
fn wait_for(config: &Config, stop: &Stop) -> Result<()> {
    let start = Instant::now();
    let limit = config.wait_for_timeout;
    config.check_wait_for()?;
    for path in &config.wait_for {
        let mut told = false;
        while let Some(why) = missing(config, path) {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Error::new(
                    Kind::InvalidInput,
                    format!(
                        "ECS_INIT_WAIT_FOR: {} did not come within {} s (ECS_INIT_WAIT_FOR_TIMEOUT): \
                     {why}",
                        path.display(),
                        limit.as_secs()
                    ),
                ));
            }
            if !told {
                log::info!(
                    "waiting for {}, at most {} s",
                    path.display(),
                    left.as_secs()
                );
                told = true;
            }
            let pause = Some(left.min(PAUSE));
            match wait(None, stop, pause).context(|| format!("wait for {}", path.display()))? {
                WaitResult::Interrupted => return Err(Error::interrupted()),
                WaitResult::Ready | WaitResult::TimedOut => {}
            }
        }
    }
    Ok(())
}

/// Why the path is not there. A link that leads nowhere is not, nor is a configuration file before
/// there is something in it: packages and `bake` make it empty.
fn missing(config: &Config, path: &Path) -> Option<String> {
    match fs::metadata(config.root.at(path)) {
        Err(error) => Some(error.to_string()),
        Ok(file) => {
            let is_configuration = FILES.iter().any(|name| path == Path::new(name));
            let is_empty = file.is_file() && file.len() == 0;
            (is_configuration && is_empty).then(|| "it is empty".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    /// What a late configuration says is what counts.
    #[test]
    fn what_came_late_is_read() {
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
    fn nothing_to_wait_for_is_not_read_again() {
        let root = TempDir::new("resolve-config");
        let old = config(&root, "", "");
        resolve_with(&old, &Stop::never(), || panic!("read again")).unwrap();
    }

    #[test]
    fn what_does_not_come_is_named() {
        let root = TempDir::new("resolve-config");
        fs::write(root.path().join("here"), "").unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("dangling")).unwrap();
        for missing in ["/gone", "/dangling"] {
            let config = config(&root, &format!("/here,{missing}"), "0");
            let error = resolve_with(&config, &Stop::never(), || panic!("read again")).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains(&format!(": {missing} did not come")),
                "{text}"
            );
            assert!(!error.is_interrupted());
        }
    }

    #[test]
    fn an_empty_configuration_is_still_to_come() {
        let root = TempDir::new("resolve-config");
        let file = root.path().join("etc/ecs/ecs.config");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        let config = config(&root, "/etc/ecs/ecs.config", "0");
        let error = resolve_with(&config, &Stop::never(), || panic!("read again")).unwrap_err();
        assert!(error.to_string().contains("it is empty"), "{error}");
        fs::write(&file, "\n").unwrap();
        resolve_with(&config, &Stop::never(), || config.clone()).unwrap();
    }

    #[test]
    fn what_is_no_absolute_path_is_refused() {
        let root = TempDir::new("resolve-config");
        let mut config = config(&root, "/gone", "3600");
        config.wait_for.push("etc/late".into());
        let error = resolve_with(&config, &Stop::never(), || panic!("read again")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("'etc/late'"), "{text}");
    }

    /// What the last fetch brought has no say in the wait before the next one.
    #[test]
    fn the_layer_from_s3_is_not_waited_by() {
        let root = TempDir::new("resolve-config");
        let held = root.path().join("var/lib/ecs/ecs.config.s3");
        fs::create_dir_all(held.parent().unwrap()).unwrap();
        let url = "s3://fleet/ecs.config";
        let object = "ECS_INIT_WAIT_FOR=/typo\nECS_INIT_WAIT_FOR_TIMEOUT=0\n";
        fs::write(held, format!("# {url}\n{object}")).unwrap();
        let all = [
            ("ECS_INIT_ROOT", &*root.path().to_string_lossy()),
            ("ECS_INIT_CONFIG_S3", url),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let (config, _) = Config::load(all.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(config.wait_for, [Path::new("/typo")], "it is in force");
        let error = resolve_with(&config, &Stop::never(), || panic!("read again")).unwrap_err();
        // It came as far as the fetch.
        let text = error.to_string();
        assert!(text.contains("AWS_EC2_METADATA_DISABLED"), "{text}");
    }

    #[test]
    fn the_order_to_stop_ends_the_wait() {
        let root = TempDir::new("resolve-config");
        let (order, stop) = UnixStream::pair().unwrap();
        drop(order);
        let stop = Stop::from(OwnedFd::from(stop));
        let config = config(&root, "/gone", "3600");
        let error = resolve_with(&config, &stop, || panic!("read again")).unwrap_err();
        assert!(error.is_interrupted());
    }
}
