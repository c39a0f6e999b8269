//! The cached tar, verified as at the first start of an instance.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Report, Rule};
use crate::bake::CACHE;
use crate::cache::TAR;
use crate::config::FILES;
use crate::config::{Config, Setting};
use crate::error::Context;
use crate::types::{FileTrust, TarSource, UnverifiedTar, signature_path};
use crate::verify::{TrustPolicy, VerifyError};

/// Checks the cached tar and its state. Returns the path of the keyring in the image's configuration.
pub(super) fn check(report: &mut Report, config: Config, now: SystemTime) -> Option<PathBuf> {
    let keyring = config.source.keyring.as_deref().cloned();
    let trust = trust_policy(report, config);
    if let Some((file, path)) = tar(report) {
        check_state(report);
        if let Some(trust) = &trust {
            verify(report, trust, file, &path, now);
        }
    }
    keyring
}

/// The certificates that the image trusts.
fn trust_policy(report: &mut Report, mut config: Config) -> Option<TrustPolicy> {
    let named = config.source.keyring.take();
    let trust = match &named {
        None => TrustPolicy::from_config(&config),
        Some(named) => match report.tree.resolve(named, true) {
            Ok(real_path) => {
                // `TrustPolicy` takes a path below the root and follows links on this machine.
                let path = report.tree.in_image(&real_path);
                config.source.keyring = Some(Setting::new(path, named.origin.clone()));
                TrustPolicy::from_config(&config)
            }
            Err(error) => Err(error).context(|| format!("find {}", named.display())),
        },
    };
    trust
        .map_err(|error| {
            let path = named.as_deref().map_or(FILES[0].as_ref(), PathBuf::as_path);
            report.add(path, Rule::Keyring, error.to_string());
        })
        .ok()
}

/// The open cached tar and its path in the image; if `ecs-agent.tar` is a link, the link's target.
fn tar(report: &mut Report) -> Option<(File, PathBuf)> {
    let path = Path::new(CACHE).join(TAR);
    let entry = report.tree.resolve(&path, false);
    let entry = entry.and_then(|entry| Ok((fs::symlink_metadata(&entry)?, entry)));
    let (metadata, entry) = report.existing(&path, entry)?;
    let mut target = path.clone();
    if metadata.is_symlink() {
        let link = fs::read_link(entry);
        // An absolute link replaces the directory.
        target = Path::new(CACHE).join(report.existing(&path, link)?);
    }
    let file = match report.tree.open_file(&target) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            report.add(&path, Rule::DanglingTar, target.display().to_string());
            return None;
        }
        file => report.existing(&path, file)?,
    };
    if file.metadata().is_ok_and(|m| m.len() == 0) {
        report.add(&path, Rule::EmptyTar, "");
        return None;
    }
    Some((file, target))
}

/// With a state other than 2 the first start downloads another tar, or assumes that this one is
/// loaded.
fn check_state(report: &mut Report) {
    let path = Path::new(CACHE).join("state");
    match report.tree.read(&path) {
        Ok(text) if text.trim_ascii() == b"2" => {}
        Err(error) if error.kind() != ErrorKind::NotFound => {
            report.add(path, Rule::Unreadable, error.to_string());
        }
        text => {
            let is_loaded = text.is_ok_and(|text| text.trim_ascii() == b"1");
            // State 1 was correct only for the instance on which the tar was loaded.
            let state = if is_loaded {
                "1 (loaded)"
            } else {
                "0, missing or invalid"
            };
            report.add(path, Rule::CacheState, state);
        }
    }
}

fn verify(report: &mut Report, trust: &TrustPolicy, tar: File, path: &Path, now: SystemTime) {
    let link = Path::new(CACHE).join(TAR);
    let mut signature = report.read(&signature_path(path));
    if signature.is_none() && path != link {
        signature = report.read(&signature_path(&link));
    }
    let is_unsigned = signature.is_none();
    let tar = UnverifiedTar::new(tar, signature, TarSource::Cache(path.to_owned()))
        .with_trust(FileTrust::Owner(report.tree.owner()));
    if let Err(error) = trust.verify_at(tar, now) {
        if is_unsigned {
            report.add(path, Rule::UnsignedTar, "");
        } else {
            let why = error.find::<VerifyError>().map(ToString::to_string);
            let why = why.unwrap_or_else(|| error.to_string());
            report.add(path, Rule::RejectedTar, why);
        }
    }
}
