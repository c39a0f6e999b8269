//! The configuration that a start from the image will read, and what that start would say to it.

use super::keyring;
use super::target::Target;
use super::tree::Tree;
use crate::acquire::s3_config;
use crate::config::settings::FILES;
use crate::config::{AgentSource, Config, Settings};
use crate::error::{Error, Result};
use crate::image::registry;
use crate::sys::file::read_regular_nofollow;

const KEYRING: &str = "ECS_INIT_KEYRING";

/// The image's files, under the names that they have there; the environment is this machine's and
/// says nothing. A file of which `read` gives nothing is an empty one.
pub fn settings(read: impl Fn(&str) -> Option<Vec<u8>>) -> Settings {
    let mut settings = Settings::default();
    for path in FILES {
        if let Some(bytes) = read(path) {
            settings.add_file(path.into(), &String::from_utf8_lossy(&bytes));
        }
    }
    settings
}

/// What every start would refuse, whatever its host; a relative `ECS_INIT_WAIT_FOR`, of which there
/// is a warning, is not among it.
pub fn refusals(config: &Config) -> impl Iterator<Item = Error> {
    let s3 = config.s3.as_ref().map(|layer| s3_config::url(layer).err());
    // What is still to come may name the digest.
    let complete = config.s3.is_none() && config.wait_for.is_empty();
    let registry = (complete && config.source.agent == AgentSource::Registry)
        .then(|| registry::Order::from_config(config).err());
    s3.into_iter().chain(registry).flatten()
}

/// Logs what a start would warn of, once `targets` are in the tree; `keyring` says whether this
/// bake has one, which the image is to trust.
///
/// # Errors
/// What every start would refuse; or the image would not trust the keyring.
pub fn judge(tree: &Tree, targets: &[Target], keyring: bool) -> Result<()> {
    let settings = settings(|path| {
        let path = tree.follow(path.as_ref()).ok()?;
        if let Some(bytes) = targets.iter().find_map(|target| target.bytes(&path)) {
            return Some(bytes.to_vec());
        }
        read_regular_nofollow(&path).ok()
    });
    if keyring {
        trusted(&settings)?;
    }
    let (config, warnings) = Config::of_image(settings, tree.root());
    let refused = config.relative_wait();
    if let Some(error) = refused.into_iter().chain(refusals(&config)).next() {
        return Err(Error::caused("no start from the image would go on", error));
    }
    for warning in warnings {
        log::warn!("{}: {warning}", tree.root().dir().display());
    }
    Ok(())
}

/// Whether the image's configuration names the keyring that `bake` puts there.
fn trusted(settings: &Settings) -> Result<()> {
    if (settings.get(KEYRING)).is_some_and(|raw| raw.text == keyring::PATH) {
        return Ok(());
    }
    let otherwise = settings.names().find(|(name, _)| *name == KEYRING);
    let why = match otherwise {
        Some((_, origin)) => format!(
            "{origin}: it sets {KEYRING} otherwise, and the image would not trust the keyring that \
             the tar was verified by: take the line out, or bake without --keyring and {KEYRING}"
        ),
        None => format!(
            "{}: the line {KEYRING}={} would not be read: end the line before it, which goes on by \
             a backslash or an open quote",
            FILES[0],
            keyring::PATH
        ),
    };
    Err(Error::new(why))
}
