//! The service that an earlier `bake` put into the tree for another init: left there, it could start
//! the agent twice.

use std::path::Path;

use super::init::BINARY;
use super::manifest::Previous;
use super::tree::{Tree, exists};
use super::{Content, Init, Item};
use crate::error::{Context, Result};
use crate::sys::file::read_regular_nofollow;

/// What takes it away, in addition to what is `gone` already: each thing that is as the earlier
/// bake's manifest says it was put there. What was changed since is somebody's own, and stays with
/// a warning.
///
/// # Errors
/// The tree cannot be read.
pub fn superseded(
    previous: &Previous,
    wanted: &[Item],
    mut gone: Vec<Item>,
    tree: &Tree,
) -> Result<Vec<Item>> {
    // A manifest may have been written by anybody: only where a service of ours has its place is
    // anything taken away.
    let service = previous.init().map(Init::items).unwrap_or_default();
    let is_line = |item: &&Item| matches!(item.content, Content::Line { .. });
    if let Some(line) = service.iter().find(is_line) {
        let other = lines(previous, &line.path, wanted.iter().chain(&gone), tree)?;
        gone.extend(other);
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

/// The lines of a file that start this program, and of which the order says nothing.
fn lines<'i>(
    previous: &Previous,
    file: &Path,
    order: impl Iterator<Item = &'i Item> + Clone,
    tree: &Tree,
) -> Result<Vec<Item>> {
    let path = tree.follow(file)?;
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let bytes = read_regular_nofollow(&path).context(|| format!("read {}", path.display()))?;
    let ordered = |line: &str| {
        order.clone().any(|item| match &item.content {
            Content::Line { text, .. } | Content::NoLine { text } => text == line,
            _ => false,
        })
    };
    let mut gone = Vec::new();
    let text = String::from_utf8_lossy(&bytes);
    for (index, line) in text.split('\n').enumerate() {
        if !line.contains(BINARY) || line.starts_with('#') || ordered(line) {
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
