//! The service that an earlier bake installed for another init system. If it stayed, it could start
//! the agent twice.

use std::path::Path;

use super::init::PROGRAM;
use super::manifest::Manifest;
use super::tree::{Tree, exists};
use super::{Change, Init, Want};
use crate::error::{Context, Result};
use crate::sys::file::read_regular_nofollow;

/// The removal of that service, in addition to `removals`: of each file, link and line that is as
/// the `previous` manifest says. What was changed since stays, with a warning.
///
/// # Errors
/// The tree cannot be read.
pub(super) fn removals(
    previous: &Manifest,
    wanted: &[Change],
    mut removals: Vec<Change>,
    tree: &Tree,
) -> Result<Vec<Change>> {
    // The manifest may have been edited: only paths of the service are removed.
    let service = previous.init().map(Init::service).unwrap_or_default();
    let is_line = |change: &&Change| matches!(change.want, Want::Line { .. });
    if let Some(line) = service.iter().find(is_line) {
        let planned = wanted.iter().chain(&removals);
        let lines = lines(previous, &line.path, planned, tree)?;
        removals.extend(lines);
    }
    let is_wanted = |old: &Change| wanted.iter().any(|change| change.path == old.path);
    for old in service
        .iter()
        .filter(|old| !is_line(old) && !is_wanted(old))
    {
        let real_path = tree.entry(&old.path)?;
        if previous.is_installed(&old.path, tree)? {
            removals.push(Change::absent(&old.path));
        } else if exists(&real_path)? {
            warn_kept(&real_path.display().to_string());
        }
    }
    Ok(removals)
}

/// The lines of a file that start this program and that the planned changes do not mention.
fn lines<'c>(
    previous: &Manifest,
    file: &Path,
    planned: impl Iterator<Item = &'c Change> + Clone,
    tree: &Tree,
) -> Result<Vec<Change>> {
    let path = tree.follow(file)?;
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let bytes = read_regular_nofollow(&path).context(|| format!("read {}", path.display()))?;
    let is_planned = |line: &str| {
        planned.clone().any(|change| match &change.want {
            Want::Line { text, .. } | Want::NoLine { text } => text == line,
            _ => false,
        })
    };
    let mut removals = Vec::new();
    let text = String::from_utf8_lossy(&bytes);
    for (index, line) in text.split('\n').enumerate() {
        if !line.contains(PROGRAM) || line.starts_with('#') || is_planned(line) {
            continue;
        }
        if previous.added_line(file, line) {
            removals.push(Change::no_line(file, line.to_owned()));
        } else {
            warn_kept(&format!("{}:{}", path.display(), index + 1));
        }
    }
    Ok(removals)
}

fn warn_kept(at: &str) {
    log::warn!(
        "{at}: keeping what was changed since the last bake; delete it if it starts the agent"
    );
}
