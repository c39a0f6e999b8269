//! What an init would take in place of our service.

use std::borrow::Cow;
use std::path::PathBuf;

use super::init::{BINARY, UNIT};
use super::tree::{Tree, exists};
use super::{Content, Init, Item};
use crate::error::{Context, Error, Kind, Result};
use crate::sys::file::read_regular_nofollow;

/// Where the administrator's unit lies, which systemd takes and not the one below `/usr`
/// (systemd.unit(5), "Unit File Load Path").
pub const UNIT_OF_ETC: &str = "/etc/systemd/system/ecs.service";

/// What takes it away: a mask, another start of this program. A unit that somebody wrote stays,
/// with a warning.
///
/// # Errors
/// An entry of inittab that is somebody's own has our identifier; the tree cannot be read.
pub fn rivals(init: Init, tree: &Tree) -> Result<Vec<Item>> {
    match init {
        Init::Systemd => unit(tree),
        _ => entries(init, tree),
    }
}

/// Whether the unit is masked: a link to `/dev/null`, or empty (systemd.unit(5)).
#[must_use]
pub fn is_masked(tree: &Tree) -> bool {
    let path = UNIT_OF_ETC.as_ref();
    let read = |place: PathBuf| read_regular_nofollow(&place).ok();
    let text = tree.follow(path).ok().and_then(read);
    tree.is_null(path) || text.is_some_and(|text| text.is_empty())
}

fn unit(tree: &Tree) -> Result<Vec<Item>> {
    let place = tree.entry(UNIT_OF_ETC.as_ref())?;
    if is_masked(tree) {
        // What removing Amazon's Debian package leaves.
        log::warn!("{} masks the service: bake removes it", place.display());
        let (path, content) = (UNIT_OF_ETC.into(), Content::Nothing);
        return Ok(vec![Item { path, content }]);
    }
    if exists(&place)? && tree.follow(UNIT_OF_ETC.as_ref())? != tree.follow(UNIT.as_ref())? {
        log::warn!(
            "{} is started in place of {UNIT}: delete it if that is not wanted",
            place.display()
        );
    }
    Ok(Vec::new())
}

/// System V init takes one entry of an identifier, the first, and no other (inittab(5)). BusyBox's
/// first field is a terminal, and empty in ours.
fn entries(init: Init, tree: &Tree) -> Result<Vec<Item>> {
    let mut gone = Vec::new();
    for item in init.items() {
        let Content::Line { text: ours, .. } = &item.content else {
            continue;
        };
        let path = tree.follow(&item.path)?;
        let bytes = read_regular_nofollow(&path).context(|| format!("read {}", path.display()))?;
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            let id = line.trim_start().split_once(':').map(|(id, _)| id);
            let same = id.is_some_and(|id| !id.is_empty() && ours.split(':').next() == Some(id));
            if !same || line == *ours {
                continue;
            }
            // What is no UTF-8 is none of our writing.
            if !line.contains(BINARY) || matches!(line, Cow::Owned(_)) {
                return Err(Error::new(
                    Kind::InvalidInput,
                    format!(
                        "{}:{}: this entry has the identifier of ours, {}, and init takes only one \
                     such: give it another, or delete it",
                        path.display(),
                        index + 1,
                        id.unwrap_or_default()
                    ),
                ));
            }
            log::warn!(
                "{}:{}: bake takes this entry out, which has the identifier of ours: {line}",
                path.display(),
                index + 1
            );
            gone.push(Item::line(&item.path, line.into_owned()).taken_away());
        }
    }
    Ok(gone)
}
