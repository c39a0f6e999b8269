//! Installs a keyring (additional trusted certificates) and the line of the image's configuration
//! that has its path.

use std::fs;

use super::Change;
use super::tree::{Tree, exists};
use crate::config::Config;
use crate::config::FILES;
use crate::error::{Context, Result};

/// The keyring's path in the image.
pub(super) const PATH: &str = "/etc/ecs/ecs-init.keyring";

/// The content of the keyring that this bake uses, if one is configured. Otherwise a keyring in the
/// tree is kept, with a warning, because a user may have installed it.
///
/// # Errors
/// The file cannot be read.
pub(super) fn read(config: &Config, tree: &Tree) -> Result<Option<Vec<u8>>> {
    let Some(path) = &config.source.keyring else {
        if exists(&tree.follow(PATH.as_ref())?)? {
            log::warn!(
                "keeping the keyring {PATH}: to replace it, use --keyring; to remove it, delete it and \
                 its line in {}",
                FILES[0]
            );
        }
        return Ok(None);
    };
    let bytes = fs::read(&**path).context(|| format!("read the keyring {}", path.display()))?;
    Ok(Some(bytes))
}

/// The changes that install a keyring. The line goes to the image's own configuration, which the
/// user's configuration overrides.
pub(super) fn changes(keyring: Vec<u8>) -> [Change; 2] {
    let line = format!("ECS_INIT_KEYRING={PATH}");
    [
        Change::file(PATH, 0o644, keyring),
        Change::line(FILES[0], line, None),
    ]
}
