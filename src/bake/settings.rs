//! `/etc/ecs/ecs.config`: the text that is ordered, and what may become of the one that is there.

use std::fs;
use std::path::Path;

use super::options::{EcsConfig, Options};
use super::tree::Tree;
use crate::config::FILES;
use crate::config::file;
use crate::error::{Context, Error, Kind, Result};
use crate::sys::file::read_regular_nofollow;

/// The user's configuration.
pub const PATH: &str = FILES[1];

/// The text that is to be there, or `None` if what is there stays.
///
/// # Errors
/// A line that says nothing that can be read, named by its number; a file that cannot be read; or
/// there is another text already, and the order does not replace it. An empty file, as packages
/// make it, is no text.
pub fn wanted(options: &Options, tree: &Tree) -> Result<Option<Vec<u8>>> {
    let text = match &options.ecs_config {
        EcsConfig::Keep => return Ok(None),
        EcsConfig::Lines(lines) => lines.iter().flat_map(|line| [line, "\n"]).collect(),
        EcsConfig::File(path) => read(path)?,
    };
    let there = tree.follow(PATH.as_ref())?;
    let old = match read_regular_nofollow(&there) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        // A device or a pipe, too, which is not to be replaced.
        read => read.context(|| format!("read {}", there.display()))?,
    };
    if old.is_empty() || old == text.as_bytes() || options.force {
        return Ok(Some(text.into_bytes()));
    }
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "{} is there already and differs: replace it with --force, or leave out --config and \
         --config-file",
            there.display()
        ),
    ))
}

/// A file of settings, every line of which says something.
fn read(path: &Path) -> Result<String> {
    let doing = || format!("read {} (--config-file)", path.display());
    let text = fs::read_to_string(path).context(doing)?;
    if let Some(bad) = file::parse(&text).find_map(Result::err) {
        return Err(Error::new(
            Kind::InvalidInput,
            format!(
                "{}:{}: it is not used: {}",
                path.display(),
                bad.line,
                bad.problem
            ),
        ));
    }
    Ok(text)
}
