//! The further certificates that an image trusts, and the line of its configuration that says so.

use std::fs;

use super::Item;
use super::tree::{Tree, exists};
use crate::config::Config;
use crate::config::FILES;
use crate::error::{Context, Result};

/// Where they lie in the image.
pub const PATH: &str = "/etc/ecs/ecs-init.keyring";

/// What puts them there: those that this bake trusts itself. Others that are there already stay,
/// with a warning: they may be somebody's own.
///
/// # Errors
/// Their file cannot be read.
pub fn items(config: &Config, tree: &Tree) -> Result<Vec<Item>> {
    let Some(path) = &config.source.keyring else {
        if exists(&tree.follow(PATH.as_ref())?)? {
            log::warn!(
                "{PATH} stays, and an image that names it trusts it: give --keyring again, or \
                 delete it and its line in {}",
                FILES[0]
            );
        }
        return Ok(Vec::new());
    };
    let bytes = fs::read(&**path).context(|| format!("read the keyring {}", path.display()))?;
    // In the image's own configuration; the user's wins over it.
    let line = Item::line(FILES[0], format!("ECS_INIT_KEYRING={PATH}"));
    Ok(vec![Item::file(PATH, 0o644, bytes), line])
}
