//! The configuration that a start from the image will read, and what that start would say to it.

use std::path::Path;

use super::target::Target;
use super::tree::Tree;
use super::{Content, Item, keyring};
use crate::config::FILES;
use crate::config::{AgentSource, Config, Layers, Origin};
use crate::error::{Error, Kind, Result};
use crate::fetch::s3_config;
use crate::image::registry;
use crate::sys::file::read_regular_nofollow;

const KEYRING: &str = "ECS_INIT_KEYRING";

/// The image's files, under the names that they have there; the environment is this machine's and
/// says nothing. A file of which `read` gives nothing is an empty one.
pub fn settings(read: impl Fn(&str) -> Option<Vec<u8>>) -> Layers {
    let mut settings = Layers::default();
    for path in FILES {
        if let Some(bytes) = read(path) {
            settings.add_file(path.into(), &String::from_utf8_lossy(&bytes));
        }
    }
    settings
}

/// What every start would refuse, whatever its host; a relative `ECS_INIT_WAIT_FOR`, of which there
/// is a warning, is not among it.
pub fn refusal(config: &Config) -> Option<Error> {
    s3_config::url(config.s3.as_ref()?).err()
}

/// What a start would refuse, unless its environment (a unit's drop-in) says more.
pub fn incomplete(config: &Config) -> Option<Error> {
    // What is still to come may name the digest.
    let complete = config.s3.is_none() && config.wait_for.is_empty();
    let registry = complete && config.source.agent == AgentSource::Registry;
    registry.then(|| registry::PullRequest::from_config(config).err())?
}

/// Logs what a start would warn of, once `targets`, which `items` are made of, are in the tree.
///
/// # Errors
/// What every start would refuse; or the image would not trust the keyring that is among `items`.
pub fn judge(tree: &Tree, targets: &[Target], items: &[Item]) -> Result<()> {
    let content = |path: &Path| {
        let path = tree.follow(path).ok()?;
        let staged = targets.iter().find_map(|target| target.bytes(&path));
        staged.map_or_else(|| read_regular_nofollow(&path).ok(), |b| Some(b.to_vec()))
    };
    let settings = settings(|path| content(path.as_ref()));
    let keyring = items
        .iter()
        .find(|item| item.path == Path::new(keyring::PATH));
    let named = settings.get(KEYRING).map(|raw| content(raw.as_ref()));
    match (keyring.map(|item| &item.content), named) {
        // Under another name it may be the same.
        (Some(Content::File { bytes, .. }), named) if named != Some(Some(bytes.to_vec())) => {
            return Err(distrusted(&settings));
        }
        (None, Some(None)) => return Err(missing(&settings)),
        _ => {}
    }
    let (config, warnings) = Config::from_image(settings, tree.root());
    let refused = config.check_wait_for().err();
    if let Some(error) = refused.or_else(|| refusal(&config)) {
        return Err(Error::with_source(
            Kind::InvalidInput,
            "no start from the image would go on",
            error,
        ));
    }
    let warnings = warnings.iter().map(ToString::to_string);
    let incomplete = incomplete(&config).map(|error| error.to_string());
    for warning in warnings.chain(incomplete) {
        log::warn!("{}: {warning}", tree.root().dir().display());
    }
    Ok(())
}

/// Where `ECS_INIT_KEYRING` is set.
fn origin(settings: &Layers) -> Option<Origin> {
    let mut names = settings.names();
    names.find(|(name, _)| *name == KEYRING).map(|(_, at)| at)
}

/// The image's configuration does not name the keyring that `bake` puts there.
fn distrusted(settings: &Layers) -> Error {
    Error::new(
        Kind::InvalidInput,
        match origin(settings) {
            Some(origin) => format!(
                "{origin}: it sets {KEYRING} otherwise, and the image would not trust the keyring that \
             the tar was verified by: take the line out, or bake without --keyring and {KEYRING}"
            ),
            None => format!(
                "{}: the line {KEYRING}={} would not be read: end the line before it, which goes on by \
             a backslash or an open quote",
                FILES[0],
                keyring::PATH
            ),
        },
    )
}

/// It names one that is not there.
fn missing(settings: &Layers) -> Error {
    let origin = origin(settings).map_or_else(String::new, |origin| format!("{origin}: "));
    Error::new(
        Kind::InvalidInput,
        format!(
            "{origin}the file that {KEYRING} names is not in the image, and no start from it would go \
         on: take the line out, or give --keyring"
        ),
    )
}
