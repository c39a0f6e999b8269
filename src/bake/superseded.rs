//! The service that an earlier `bake` put into the tree for another init: left there, it could start
//! the agent twice.

use std::path::Path;

use super::fill::exists;
use super::init::BINARY;
use super::manifest::Previous;
use super::tree::Tree;
use super::{Content, Init, Item};
use crate::error::{Context, Result};
use crate::sys::file::read_regular_nofollow;

/// What takes it away: each thing that is as the earlier bake's manifest says it was put there.
/// What was changed since is somebody's own, and stays with a warning.
///
/// # Errors
/// The tree cannot be read.
pub fn superseded(previous: &Previous, wanted: &[Item], tree: &Tree) -> Result<Vec<Item>> {
    let mut gone = Vec::new();
    // A manifest may have been written by anybody: only where a service of ours has its place is
    // anything taken away.
    let service = previous.init().map(Init::items).unwrap_or_default();
    let is_line = |item: &&Item| matches!(item.content, Content::Line { .. });
    if let Some(line) = service.iter().find(is_line) {
        gone.extend(lines(previous, &line.path, wanted, tree)?);
    }
    for old in service
        .iter()
        .filter(|old| !is_line(old) && !wanted.contains(old))
    {
        let place = tree.entry(&old.path)?;
        if previous.put(&old.path, tree)? {
            gone.push(old.taken_away());
        } else if exists(&place)? {
            stays(&place.display().to_string());
        }
    }
    Ok(gone)
}

/// The lines of a file that start this program, and are not wanted.
fn lines(previous: &Previous, file: &Path, wanted: &[Item], tree: &Tree) -> Result<Vec<Item>> {
    let path = tree.follow(file)?;
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let bytes = read_regular_nofollow(&path).doing(|| format!("read {}", path.display()))?;
    let is_wanted = |line: &str| {
        let same =
            |item: &Item| matches!(&item.content, Content::Line { text, .. } if text == line);
        wanted.iter().any(same)
    };
    let mut gone = Vec::new();
    let text = String::from_utf8_lossy(&bytes);
    for (index, line) in text.split('\n').enumerate() {
        if !line.contains(BINARY) || line.starts_with('#') || is_wanted(line) {
            continue;
        }
        if previous.added(file, line) {
            gone.push(Item::line(file, line.to_owned()).taken_away());
        } else {
            stays(&format!("{}:{}", path.display(), index + 1));
        }
    }
    Ok(gone)
}

fn stays(place: &str) {
    log::warn!(
        "{place}: not as an earlier bake left it: it stays; delete it if it starts the agent, too"
    );
}
