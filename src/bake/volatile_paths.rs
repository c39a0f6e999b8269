//! Rejects a tree in which `bake` would install into a directory that is empty after a boot.

use std::fs;
use std::path::Path;

use super::tree::Tree;
use super::{CACHE, STATE};
use crate::error::{Context, Error, Result};

/// Directories that image builders empty, or on which a host mounts a tmpfs (file-hierarchy(7);
/// `/var/volatile` is Yocto's).
const VOLATILE: [&str; 5] = ["/tmp", "/run", "/var/tmp", "/var/run", "/var/volatile"];

/// Checks that no symbolic link moves the agent or the image's configuration to a volatile
/// directory, such as Buildroot's `/var/cache -> ../tmp`.
///
/// # Errors
/// There is such a link, or the tree cannot be read.
pub(super) fn check(tree: &Tree) -> Result<()> {
    for directory in [CACHE, STATE].map(Path::new) {
        // The error names the topmost link.
        let mut ancestors: Vec<_> = directory.ancestors().collect();
        ancestors.reverse();
        for path in ancestors {
            let link = tree.entry(path)?;
            if !link.is_symlink() {
                continue;
            }
            let real = tree.follow(path)?;
            for volatile in VOLATILE {
                if !real.starts_with(tree.follow(volatile.as_ref())?) {
                    continue;
                }
                let context = || format!("read {}", link.display());
                let target = fs::read_link(&link).context(context)?;
                return Err(Error::invalid(format!(
                    "{} is a link to {}: {volatile} is empty after a boot; make it a real \
                         directory",
                    link.display(),
                    target.display()
                )));
            }
        }
    }
    Ok(())
}
