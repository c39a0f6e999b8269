//! The cached tar, judged as the first start of an instance will judge it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Report;
use crate::cache::{DIRECTORY, TAR};
use crate::config::FILES;
use crate::config::{Config, Setting};
use crate::error::Context;
use crate::types::{FileTrust, TarSource, UnverifiedTar, signature_path};
use crate::verify::{TrustPolicy, VerifyError};

const AGAIN: &str = "bake again, or delete it";

/// The answer is the keyring that the tree's configuration names.
pub fn check(report: &mut Report, mut config: Config, now: SystemTime) -> Option<PathBuf> {
    let named = config.source.keyring.take();
    let trust = match &named {
        None => TrustPolicy::from_config(&config),
        Some(named) => match report.tree.real(&**named) {
            Ok(real) => {
                // The policy reads its keyring below the root.
                let inside = real.strip_prefix(config.root.dir()).unwrap_or(&real);
                let inside = Setting::new(inside.to_owned(), named.origin.clone());
                config.source.keyring = Some(inside);
                TrustPolicy::from_config(&config)
            }
            Err(error) => Err(error).context(|| format!("find {}", named.display())),
        },
    };
    let trust = match trust {
        Ok(trust) => Some(trust),
        Err(error) => {
            let path = named
                .as_deref()
                .map_or(Path::new(FILES[0]), PathBuf::as_path);
            report.add(
                path,
                format!("is the keyring of ECS_INIT_KEYRING and will not do: {error}"),
                "without it no instance starts the agent: put it there, or take the variable out",
            );
            None
        }
    };
    if let Some((file, path)) = tar(report) {
        state(report);
        if let Some(trust) = &trust {
            signature(report, trust, file, &path, now);
        }
    }
    named.map(|named| named.to_path_buf())
}

/// The cached tar, open, and its path in the image behind the one link that the cache has.
fn tar(report: &mut Report) -> Option<(File, PathBuf)> {
    let path = Path::new(DIRECTORY).join(TAR);
    let itself = report.tree.itself(&path);
    let itself = itself.and_then(|itself| Ok((fs::symlink_metadata(&itself)?, itself)));
    let (metadata, itself) = report.known(&path, itself)?;
    let mut target = path.clone();
    if metadata.is_symlink() {
        let link = fs::read_link(itself);
        // An absolute link replaces the directory.
        target = Path::new(DIRECTORY).join(report.known(&path, link)?);
    }
    let file = match report.tree.open_file(&target) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let what = format!("is a link to {}, which is not there", target.display());
            report.add(&path, what, AGAIN);
            return None;
        }
        file => report.known(&path, file)?,
    };
    if file.metadata().is_ok_and(|m| m.len() == 0) {
        report.add(&path, "is empty", AGAIN);
        return None;
    }
    Some((file, target))
}

/// Without state 2 the next start fetches another, or believes that this one was loaded.
fn state(report: &mut Report) {
    let path = Path::new(DIRECTORY).join("state");
    let mend = "write 2 into it";
    match report.tree.read(&path) {
        Ok(text) if text.trim_ascii() == b"2" => {}
        Ok(text) if text.trim_ascii() == b"1" => {
            let what = "says 1: that Docker has loaded the cached tar, as it has on one instance";
            report.add(path, what, mend);
        }
        Err(error) if error.kind() != ErrorKind::NotFound => {
            report.known::<()>(path, Err(error));
        }
        _ => {
            let what = "does not say 2, so that the cached tar is fetched anew, not loaded";
            report.add(path, what, mend);
        }
    }
}

fn signature(report: &mut Report, trust: &TrustPolicy, tar: File, path: &Path, now: SystemTime) {
    let link = Path::new(DIRECTORY).join(TAR);
    let mut signature = beside_tar(report, path);
    if signature.is_none() && path != link {
        signature = beside_tar(report, &link);
    }
    let unsigned = signature.is_none();
    let acquired = UnverifiedTar::new(tar, signature, TarSource::Cache(path.to_owned()))
        .with_trust(FileTrust::Owner(report.tree.0.owner()));
    if let Err(error) = trust.verify_at(acquired, now) {
        let what = if unsigned {
            "has no signature: the first start has to fetch it from a network".to_owned()
        } else {
            match error.find::<VerifyError>() {
                Some(why) => format!("would not be loaded: {why}"),
                None => format!("would not be loaded: {error}"),
            }
        };
        report.add(path, what, "bake again, or delete it and its signature");
    }
}

fn beside_tar(report: &mut Report, tar: &Path) -> Option<Vec<u8>> {
    let path = signature_path(tar);
    let bytes = report.tree.read(&path);
    report.known(&path, bytes)
}
