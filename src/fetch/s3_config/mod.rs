//! The configuration from S3: fetched with the host's credentials, checked, and kept where
//! [`Config`] finds it as a layer of its own.
//!
//! What is in it may be secret. Nothing here logs it or puts it into an error, be it good or bad.

mod refusal;
mod request;
mod sign;

use std::path::PathBuf;

use super::credentials::Missed;
use crate::config::{Config, S3Layer, S3Url, file, s3};
use crate::error::{Context, Error, Kind, Result};
use crate::fs::{atomic_write, remove_stale};
use crate::host::make_directory;
use crate::sys::signal::Stop;

/// The largest object that is taken, in bytes. A real one has a few hundred.
pub const LIMIT: usize = 64 * 1024;

/// Fetches what `ECS_INIT_CONFIG_S3` names, if it names anything. True: the configuration is to
/// be read again.
///
/// Where nobody can be reached, an earlier fetch from the same URL will do. An answer counts: what
/// is gone, forbidden or broken is an error, whatever was there before.
///
/// # Errors
/// Why there is no such configuration, and what to check.
pub fn fetch(config: &Config, stop: &Stop) -> Result<bool> {
    let Some(layer) = &config.s3 else {
        return Ok(false);
    };
    let url = url(layer)?;
    let object = match request::object(layer, &url, stop) {
        Ok(object) => object,
        Err(Missed::Unreached(error)) if layer.fetched => {
            log::warn!("{error}; what was fetched earlier is used");
            return Ok(false);
        }
        Err(missed) => return Err(missed.into()),
    };
    let (text, variables) =
        check(&object).map_err(|why| Error::new(Kind::InvalidInput, format!("{url}: {why}")))?;
    let path = keep(config, &url, text)?;
    log::info!(
        "fetched {url}: {variables} variables, now in {}",
        path.display()
    );
    Ok(true)
}

/// Sees that what `ECS_INIT_CONFIG_S3` names is a part of this configuration, for a verb that
/// comes after the one that fetches: without it the agent would join another cluster.
///
/// # Errors
/// It was not fetched yet.
pub fn held(config: &Config) -> Result<()> {
    match &config.s3 {
        Some(layer) if !layer.fetched => {
            let url = url(layer)?;
            Err(Error::new(
                Kind::InvalidInput,
                format!("{url} was not fetched yet: pre-start does, and must come before"),
            ))
        }
        _ => Ok(()),
    }
}

/// What `ECS_INIT_CONFIG_S3` names.
///
/// # Errors
/// It is no URL of an object in S3; named with its place.
pub fn url(layer: &S3Layer) -> Result<S3Url> {
    S3Url::parse(&layer.url).map_err(|why| {
        let origin = &layer.url.origin;
        Error::new(
            Kind::InvalidInput,
            format!("{origin}: ECS_INIT_CONFIG_S3: {why}"),
        )
    })
}

/// The object as text, and how many variables it sets.
fn check(object: &[u8]) -> Result<(&str, usize), String> {
    // RFC 1952: no UTF-8 begins so.
    if object.starts_with(b"\x1f\x8b") {
        let why = "it is stored compressed (Content-Encoding: gzip): upload it uncompressed";
        return Err(why.to_owned());
    }
    let text = std::str::from_utf8(object).map_err(|e| {
        let before = &object[..e.valid_up_to()];
        let line = before.split(|b| *b == b'\n').count();
        format!("line {line}: it is no UTF-8; the object is not used")
    })?;
    // It will not be the file's beginning any more.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = 0;
    for line in file::parse(text) {
        match line {
            Ok(_) => variables += 1,
            Err(bad) => {
                let (line, why) = (bad.line, bad.problem);
                return Err(format!("line {line}: {why}; the object is not used"));
            }
        }
    }
    // As likely an upload that failed; and what was fetched before would be lost by it.
    if variables == 0 {
        return Err("it sets nothing; the object is not used".to_owned());
    }
    Ok((text, variables))
}

/// Puts it where nobody but root reads it, in place of what was there, whole or not at all.
fn keep(config: &Config, url: &S3Url, text: &str) -> Result<PathBuf> {
    make_directory(&config.root, "/var/lib/ecs", 0o755)?;
    let path = config.root.at(s3::FILE);
    // What a fetch that was killed left may hold secrets.
    if let Some(dir) = path.parent() {
        remove_stale(dir).context(|| format!("read {}", dir.display()))?;
    }
    let content = url.first_line() + text;
    atomic_write(&path, content.as_bytes()).context(|| format!("write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_to_the_last_line_is_taken() {
        for nothing in [&b""[..], b"\n", b"# a comment\n\n", "\u{feff}".as_bytes()] {
            assert!(check(nothing).unwrap_err().starts_with("it sets nothing"));
        }
        let good = "\u{feff}# c\r\nECS_CLUSTER=a\r\n\nX='m\nn'\n";
        assert_eq!(check(good.as_bytes()), Ok((&good[3..], 2)));
        for (bad, line) in [
            (&b"A=1\ngeheim"[..], 2),
            (b"A=1\nB=\"geheim", 2),
            (b"A=1\n\nB=geheim\0", 3),
            (b"A=1\n\nB=geheim\xff\n", 3),
            (b"<?xml version=\"1.0\"?>\n<geheim/>", 1),
        ] {
            let why = check(bad).unwrap_err();
            assert!(why.starts_with(&format!("line {line}: ")), "{why}");
            assert!(!why.contains("geheim"), "{why}");
        }
    }
}
