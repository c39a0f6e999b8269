//! What `bake` puts into the tree must still be there when the image boots.

use std::fs;
use std::path::Path;

use super::tree::Tree;
use crate::cache;
use crate::error::{Context, Error, Kind, Result};

/// What builders empty, and what a host mounts a tmpfs on (file-hierarchy(7); `/var/volatile` is
/// Yocto's).
const FLEETING: [&str; 5] = ["/tmp", "/run", "/var/tmp", "/var/run", "/var/volatile"];

/// Sees that no link has the agent or the image's configuration lie where nothing lasts, as
/// Buildroot's `/var/cache -> ../tmp` would.
///
/// # Errors
/// One has: which, and what to do. Or the tree cannot be read.
pub fn check(tree: &Tree) -> Result<()> {
    for directory in [cache::DIRECTORY, "/var/lib/ecs"].map(Path::new) {
        // The first link that leads there.
        let mut above: Vec<_> = directory.ancestors().collect();
        above.reverse();
        for path in above {
            let link = tree.entry(path)?;
            if !link.is_symlink() {
                continue;
            }
            let real = tree.follow(path)?;
            for fleeting in FLEETING {
                if !real.starts_with(tree.follow(fleeting.as_ref())?) {
                    continue;
                }
                let doing = || format!("read {}", link.display());
                let target = fs::read_link(&link).context(doing)?;
                return Err(Error::new(
                    Kind::InvalidInput,
                    format!(
                        "{} is a link to {}, and what lies in {fleeting} is gone when the image boots: \
                     make it a real directory",
                        link.display(),
                        target.display()
                    ),
                ));
            }
        }
    }
    Ok(())
}
