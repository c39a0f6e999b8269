//! `/etc/ecs/ecs.config` of the image: the new content, and when the old one may be replaced.

use std::fs;
use std::path::Path;

use super::options::{EcsConfig, Options};
use super::tree::Tree;
use crate::config::FILES;
use crate::config::file;
use crate::error::{Context, Error, Result};
use crate::fs::if_exists;
use crate::sys::file::read_regular_nofollow;

/// The user's configuration.
pub(super) const PATH: &str = FILES[1];

/// The new content, or `None` if the file is not changed.
///
/// # Errors
/// A line that is not an assignment, a file that cannot be read, or an existing file with other
/// content and no `--force`. An empty file, as packages create it, may be replaced.
pub(super) fn content(options: &Options, tree: &Tree) -> Result<Option<Vec<u8>>> {
    let text = match &options.ecs_config {
        EcsConfig::Keep => return Ok(None),
        EcsConfig::Lines(lines) => lines.iter().flat_map(|line| [line, "\n"]).collect(),
        EcsConfig::File(path) => read(path)?,
    };
    let real_path = tree.follow(PATH.as_ref())?;
    // An error for a device or a pipe too: they are not replaced.
    let old = if_exists(read_regular_nofollow(&real_path));
    let old = old.context(|| format!("read {}", real_path.display()))?;
    let old = old.unwrap_or_default();
    if old.is_empty() || old == text.as_bytes() || options.force {
        return Ok(Some(text.into_bytes()));
    }
    Err(Error::invalid(format!(
        "{} exists with other content: replace it with --force, or omit --config and \
             --config-file",
        real_path.display()
    )))
}

/// Reads a file in which every line must be an assignment, a comment or blank.
fn read(path: &Path) -> Result<String> {
    let context = || format!("read {} (--config-file)", path.display());
    let text = fs::read_to_string(path).context(context)?;
    if let Some(bad) = file::parse(&text).find_map(Result::err) {
        let why = format!("{}:{}: {}", path.display(), bad.line, bad.problem);
        return Err(Error::invalid(why));
    }
    Ok(text)
}
