//! The further certificates that an image trusts, and the line of its configuration that says so.

use std::fs;

use super::Item;
use crate::config::Config;
use crate::config::settings::FILES;
use crate::error::{Context, Result};

/// Where they lie in the image.
pub const PATH: &str = "/etc/ecs/ecs-init.keyring";

/// What puts them there: those that this bake trusts itself.
///
/// # Errors
/// Their file cannot be read.
pub fn items(config: &Config) -> Result<Vec<Item>> {
    let Some(path) = &config.source.keyring else {
        return Ok(Vec::new());
    };
    let bytes = fs::read(&**path).doing(|| format!("read the keyring {}", path.display()))?;
    Ok(vec![Item::file(PATH, 0o644, bytes), line()])
}

/// In the image's own configuration; the user's wins over it.
#[must_use]
pub fn line() -> Item {
    Item::line(FILES[0], format!("ECS_INIT_KEYRING={PATH}"))
}
