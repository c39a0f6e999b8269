//! What the init system would start instead of the service, and what must be removed for it.

use std::borrow::Cow;
use std::path::PathBuf;

use super::init::{OVERRIDING_UNIT, PROGRAM, SYSTEMD_UNIT};
use super::tree::{Tree, exists};
use super::{Change, Init, Want};
use crate::error::{Context, Error, Result};
use crate::sys::file::read_regular_nofollow;

/// The removal of a mask and of other entries that start this program. A unit that a user wrote
/// stays, with a warning.
///
/// # Errors
/// An inittab entry of another program has the service's identifier, or the tree cannot be read.
pub(super) fn removals(init: Init, tree: &Tree) -> Result<Vec<Change>> {
    match init {
        Init::Systemd => unit(tree),
        _ => inittab(init, tree),
    }
}

/// Whether the unit is masked: overridden by a link to `/dev/null` or by an empty file
/// (systemd.unit(5)).
pub(super) fn is_masked(tree: &Tree) -> bool {
    let path = OVERRIDING_UNIT.as_ref();
    let read = |real_path: PathBuf| read_regular_nofollow(&real_path).ok();
    let text = tree.follow(path).ok().and_then(read);
    tree.is_null(path) || text.is_some_and(|text| text.is_empty())
}

fn unit(tree: &Tree) -> Result<Vec<Change>> {
    let real_path = tree.entry(OVERRIDING_UNIT.as_ref())?;
    if is_masked(tree) {
        // The removal of Amazon's Debian package leaves a mask.
        log::warn!("removing {}, which masks the service", real_path.display());
        return Ok(vec![Change::absent(OVERRIDING_UNIT)]);
    }
    let same = || -> Result<bool> {
        Ok(tree.follow(OVERRIDING_UNIT.as_ref())? == tree.follow(SYSTEMD_UNIT.as_ref())?)
    };
    if exists(&real_path)? && !same()? {
        log::warn!(
            "{} overrides {SYSTEMD_UNIT}: delete it unless that is intended",
            real_path.display()
        );
    }
    Ok(Vec::new())
}

/// System V init uses only the first entry with an identifier (inittab(5)). BusyBox has a terminal
/// in this field, which is empty in the service's entries.
fn inittab(init: Init, tree: &Tree) -> Result<Vec<Change>> {
    let mut removals = Vec::new();
    for change in init.service() {
        let Want::Line { text: entry, .. } = &change.want else {
            continue;
        };
        let identifier = entry.split(':').next().unwrap_or_default();
        if identifier.is_empty() {
            continue;
        }
        let path = tree.follow(&change.path)?;
        let bytes = read_regular_nofollow(&path).context(|| format!("read {}", path.display()))?;
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            let other = line.trim_start().split_once(':').map(|(id, _)| id);
            if other != Some(identifier) || line == *entry {
                continue;
            }
            let at = format!("{}:{}", path.display(), index + 1);
            // An entry that is not UTF-8 was not written by this program.
            if !line.contains(PROGRAM) || matches!(line, Cow::Owned(_)) {
                return Err(Error::invalid(format!(
                    "{at}: the identifier {identifier} is the service's, and init uses only one \
                         entry for each: change or delete this one"
                )));
            }
            log::warn!("{at}: removing this entry, which has the service's identifier: {line}");
            removals.push(Change::no_line(&change.path, line.into_owned()));
        }
    }
    Ok(removals)
}
