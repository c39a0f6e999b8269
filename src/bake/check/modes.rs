//! Who may write to the configuration, and with it decide what runs as root.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{ETC, Report, VAR};
use crate::cache;

/// Looks at these files and at the directories that hold them, wherever links lead. A tree that a
/// builder unpacked without being root belongs to the builder, all of it: that is as good as root
/// here.
pub fn check(report: &mut Report, files: impl Iterator<Item = PathBuf>) {
    let (builder, top) = (report.tree.0.owner(), report.tree.root());
    // By where they really lie, under the first name that leads there.
    let mut all = BTreeMap::new();
    let directories = [ETC, VAR, cache::DIRECTORY].map(|path| (PathBuf::from(path), false));
    let files = files.map(|path| (path, true));
    for (path, is_file) in directories.into_iter().chain(files) {
        let real = report.tree.real(&path);
        let Some(real) = report.known(&path, real) else {
            continue;
        };
        if let Some(above) = real.parent().filter(|_| is_file) {
            let below = above.strip_prefix(top.dir()).unwrap_or(above);
            let name = Path::new("/").join(below);
            all.entry(above.to_owned()).or_insert(name);
        }
        all.entry(real).or_insert(path);
    }
    for (real, path) in all {
        let Some(metadata) = report.known(&path, fs::symlink_metadata(real)) else {
            continue;
        };
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        if mode & 0o022 != 0 {
            let what = format!("can be written to by others than its owner (mode {mode:04o})");
            report.add(&path, what, "`chmod go-w` it");
        }
        if owner != 0 && owner != builder {
            let what = format!("belongs to user {owner}, not to root");
            report.add(&path, what, "`chown root:root` it");
        }
    }
}
