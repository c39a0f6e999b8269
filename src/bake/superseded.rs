//! What an earlier `bake` put into the tree by another order, and this one does not want: another
//! init's service, a keyring. It would start the agent twice, or trust who is named no more.

use std::path::Path;

use super::fill::exists;
use super::manifest::Previous;
use super::target::Target;
use super::tree::Tree;
use super::{Content, Init, Item, keyring};
use crate::error::Result;

/// What takes it away: each thing that still is as it was put there. What was changed since is
/// somebody's own, and stays with a warning.
///
/// # Errors
/// The tree cannot be read.
pub fn superseded(previous: &Previous, wanted: &[Item], tree: &Tree) -> Result<Vec<Item>> {
    let unwanted = |old: &&Item| !wanted.contains(old);
    let mut gone = Vec::new();
    let service = previous.init().map(Init::items).unwrap_or_default();
    for old in service.iter().filter(unwanted) {
        if Target::of(old, tree)?.is_none() {
            gone.push(old.taken_away());
        } else if !matches!(old.content, Content::Line { .. }) {
            stays(&old.path, "it was changed since", tree)?;
        }
    }
    let line = keyring::line();
    if unwanted(&&line) {
        if previous.put(keyring::PATH, tree)? {
            let file = Item::file(keyring::PATH, 0, b"");
            gone.extend([file.taken_away(), line.taken_away()]);
        } else {
            stays(keyring::PATH.as_ref(), "the image trusts it", tree)?;
        }
    }
    Ok(gone)
}

fn stays(path: &Path, why: &str, tree: &Tree) -> Result<()> {
    if exists(&tree.entry(path)?)? {
        log::warn!(
            "{} of an earlier bake stays, and {why}: delete it if it is not wanted",
            path.display()
        );
    }
    Ok(())
}
