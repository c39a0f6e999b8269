//! Who may write to the configuration, and with it decide what runs as root.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::{ETC, Report, VAR};
use crate::acquire::cache;

/// Looks at these files and at the directories that hold them. A tree that a builder unpacked
/// without being root belongs to the builder, all of it: that is as good as root here.
pub fn check(report: &mut Report, files: impl Iterator<Item = PathBuf>) {
    let builder = report.tree.0.owner();
    let directories = [ETC, VAR, cache::DIRECTORY].map(PathBuf::from);
    let all: BTreeSet<PathBuf> = directories.into_iter().chain(files).collect();
    for path in all {
        let metadata = report.tree.metadata(&path);
        let Some(metadata) = report.known(&path, metadata) else {
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
