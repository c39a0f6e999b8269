//! Who can write to the configuration: it controls what runs as root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{ETC, Report, Rule, STATE};
use crate::bake::CACHE;

/// Checks these files and the directories that contain them, where links lead to.
pub(super) fn check(report: &mut Report, files: impl Iterator<Item = PathBuf>) {
    // From each real path to the first path in the image that resolves to it.
    let mut all = BTreeMap::new();
    let directories = [ETC, STATE, CACHE].map(|path| (PathBuf::from(path), false));
    let files = files.map(|path| (path, true));
    for (path, is_file) in directories.into_iter().chain(files) {
        let real_path = report.tree.resolve(&path, true);
        let Some(real_path) = report.existing(&path, real_path) else {
            continue;
        };
        if let Some(parent) = real_path.parent().filter(|_| is_file) {
            let name = report.tree.in_image(parent);
            all.entry(parent.to_owned()).or_insert(name);
        }
        all.entry(real_path).or_insert(path);
    }
    for (real_path, path) in all {
        let Some(metadata) = report.existing(&path, fs::symlink_metadata(real_path)) else {
            continue;
        };
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        if mode & 0o022 != 0 {
            report.add(&path, Rule::Writable, format!("{mode:04o}"));
        }
        if !report.tree.owner_is_trusted(owner) {
            report.add(&path, Rule::Owner, owner.to_string());
        }
    }
}
