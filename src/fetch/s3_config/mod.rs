//! `ECS_INIT_CONFIG_S3`: downloads configuration from S3, checks it and stores it where [`Config`]
//! reads it as a layer.
//!
//! The content may be secret: it is never logged and never part of an error.

mod error_response;
mod request;
mod sign;

use std::path::PathBuf;

use crate::config::{Config, S3Layer, S3Url, file, s3};
use crate::error::{Context, Error, Kind, Result};
use crate::fs::{atomic_write, remove_stale};
use crate::host::make_directory;
use crate::sys::signal::Stop;

/// The largest accepted object, in bytes. Real ones have a few hundred.
const SIZE_LIMIT: u64 = 64 * 1024;

/// Downloads and stores the object that `ECS_INIT_CONFIG_S3` names. Returns whether a new object
/// was stored, so that the configuration must be read again; false if the variable is not set.
///
/// If S3 or IMDS does not answer, the stored copy of the same URL is used. A missing, forbidden or
/// invalid object is always an error, even if there is a stored copy.
///
/// # Errors
/// The object is missing, forbidden or invalid; the message says what to check.
pub fn fetch(config: &Config, stop: &Stop) -> Result<bool> {
    let Some(layer) = &config.s3 else {
        return Ok(false);
    };
    let url = url(layer)?;
    let object = match request::object(layer, &url, stop) {
        Err(error) if layer.fetched && is_unreachable(&error) => {
            log::warn!("{error}; using the stored copy");
            return Ok(false);
        }
        object => object?,
    };
    let (text, variables) = check(&object).context(|| url.to_string())?;
    let path = store(config, &url, text)?;
    log::info!(
        "fetched {url}: {variables} variables, stored in {}",
        path.display()
    );
    Ok(true)
}

/// Whether S3 was not reached: the object is then unknown, and a stored copy may be used.
fn is_unreachable(error: &Error) -> bool {
    matches!(error.kind(), Kind::Transient | Kind::Unavailable)
}

/// Checks that the object that `ECS_INIT_CONFIG_S3` names is stored, for commands that run after
/// `pre-start`: without it the agent could join another cluster.
///
/// # Errors
/// The object is not stored.
pub fn require_stored(config: &Config) -> Result<()> {
    match &config.s3 {
        Some(layer) if !layer.fetched => {
            let url = url(layer)?;
            let message = format!("{url} was not fetched yet: run pre-start first");
            Err(Error::unavailable(message))
        }
        _ => Ok(()),
    }
}

/// The URL in `ECS_INIT_CONFIG_S3`.
///
/// # Errors
/// It is not the URL of an object in S3; names where it is set.
pub fn url(layer: &S3Layer) -> Result<S3Url> {
    S3Url::parse(&layer.url).context(|| format!("{}: ECS_INIT_CONFIG_S3", layer.url.origin))
}

/// The object as text, and how many variables it sets.
fn check(object: &[u8]) -> Result<(&str, usize)> {
    let invalid = |message: &str| Error::invalid(message);
    // The magic number of RFC 1952, which is not valid UTF-8.
    if object.starts_with(b"\x1f\x8b") {
        return Err(invalid(
            "the object is compressed (Content-Encoding: gzip): upload it uncompressed",
        ));
    }
    let text = std::str::from_utf8(object).map_err(|e| {
        let before = &object[..e.valid_up_to()];
        let line = before.split(|b| *b == b'\n').count();
        invalid(&format!("line {line}: not UTF-8"))
    })?;
    // A byte order mark is valid at the start only; the stored file starts with another line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = 0;
    for line in file::parse(text) {
        match line {
            Ok(_) => variables += 1,
            Err(bad) => {
                let (line, why) = (bad.line, bad.problem);
                return Err(invalid(&format!("line {line}: {why}")));
            }
        }
    }
    // Probably a failed upload, which must not replace the stored copy.
    if variables == 0 {
        return Err(invalid("the object sets no variable"));
    }
    Ok((text, variables))
}

/// Stores the object, readable by root only. Replaces an earlier one.
fn store(config: &Config, url: &S3Url, text: &str) -> Result<PathBuf> {
    make_directory(&config.root, "/var/lib/ecs", 0o755)?;
    let path = config.root.at(s3::FILE);
    // The temporary file of a killed fetch may contain secrets.
    if let Some(dir) = path.parent() {
        remove_stale(dir).context(|| format!("read {}", dir.display()))?;
    }
    let content = url.first_line() + text;
    atomic_write(&path, 0o600, content.as_bytes())
        .context(|| format!("write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_must_be_valid_to_the_last_line() {
        for empty in [&b""[..], b"\n", b"# a comment\n\n", "\u{feff}".as_bytes()] {
            let error = check(empty).unwrap_err().to_string();
            assert!(error.contains("no variable"), "{error}");
        }
        let good = "\u{feff}# c\r\nECS_CLUSTER=a\r\n\nX='m\nn'\n";
        assert_eq!(check(good.as_bytes()).unwrap(), (&good[3..], 2));
        for (bad, line) in [
            (&b"A=1\ns3cr3t"[..], 2),
            (b"A=1\nB=\"s3cr3t", 2),
            (b"A=1\n\nB=s3cr3t\0", 3),
            (b"A=1\n\nB=s3cr3t\xff\n", 3),
            (b"<?xml version=\"1.0\"?>\n<s3cr3t/>", 1),
        ] {
            let error = check(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("line {line}: ")), "{error}");
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }
}
