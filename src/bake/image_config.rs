//! The configuration that a start from the image will read, and what that start would reject.

use std::path::Path;

use super::keyring;
use super::plan::Plan;
use super::tree::Tree;
use crate::config::FILES;
use crate::config::{AgentSource, Config, Layers, Origin};
use crate::error::{Error, Kind, Result};
use crate::fetch::s3_config;
use crate::image::PullRequest;
use crate::sys::file::read_regular_nofollow;

const KEYRING: &str = "ECS_INIT_KEYRING";

/// The settings of the image's files, with the paths that these have in the image. `read` returns
/// the content of a file that exists.
pub(super) fn settings(read: impl Fn(&str) -> Option<Vec<u8>>) -> Layers {
    let mut settings = Layers::default();
    for path in FILES {
        if let Some(bytes) = read(path) {
            settings.add_file(path.into(), &String::from_utf8_lossy(&bytes));
        }
    }
    settings
}

/// Why every start would fail, whatever its host. A relative `ECS_INIT_WAIT_FOR`, which is a
/// warning, is not included.
pub(super) fn rejected(config: &Config) -> Option<Error> {
    s3_config::url(config.s3.as_ref()?).err()
}

/// Why a start would fail unless its environment (a drop-in of the unit) sets more.
pub(super) fn incomplete(config: &Config) -> Option<Error> {
    // The configuration from S3 or from user data may name the digest.
    let complete = config.s3.is_none() && config.wait_for.is_empty();
    let registry = complete && config.source.agent == AgentSource::Registry;
    registry.then(|| PullRequest::from_config(config).err())?
}

/// Logs what a start would warn of once `plan` is committed. `keyring` is the one that the plan
/// installs.
///
/// # Errors
/// Every start would fail, or the image would not trust the keyring.
pub(super) fn check(tree: &Tree, plan: &Plan, keyring: Option<&[u8]>) -> Result<()> {
    let read = |path: &Path| {
        let path = tree.follow(path).ok()?;
        let planned = plan.content(&path);
        planned.map_or_else(|| read_regular_nofollow(&path).ok(), |b| Some(b.to_vec()))
    };
    let settings = settings(|path| read(path.as_ref()));
    let named = settings.get(KEYRING).map(|raw| read(raw.as_ref()));
    match (keyring, named) {
        // The image may name the same keyring at another path.
        (Some(bytes), named) if named != Some(Some(bytes.to_vec())) => {
            return Err(untrusted(&settings));
        }
        (None, Some(None)) => return Err(missing(&settings)),
        _ => {}
    }
    let (config, warnings) = Config::from_image(settings, tree.root());
    let wait_for = config.check_wait_for().err();
    if let Some(error) = wait_for.or_else(|| rejected(&config)) {
        let context = "every start from the image would fail";
        return Err(Error::with_source(Kind::InvalidInput, context, error));
    }
    let incomplete = incomplete(&config).map(|error| error.to_string());
    let warnings = warnings.iter().map(ToString::to_string);
    for warning in warnings.chain(incomplete) {
        log::warn!("{}: {warning}", tree.dir().display());
    }
    Ok(())
}

/// Where `ECS_INIT_KEYRING` is set.
fn origin(settings: &Layers) -> Option<Origin> {
    let mut names = settings.names();
    names.find(|(name, _)| *name == KEYRING).map(|(_, at)| at)
}

/// The image's configuration does not name the keyring that is installed.
fn untrusted(settings: &Layers) -> Error {
    let why = match origin(settings) {
        Some(origin) => format!(
            "{origin}: {KEYRING} is set to another keyring, so the image would not trust the one of \
             this bake: remove the line, or omit --keyring and {KEYRING}"
        ),
        None => format!(
            "{}: the line {KEYRING}={} would be ignored: the line before it does not end (backslash \
             or open quote)",
            FILES[0],
            keyring::PATH
        ),
    };
    Error::invalid(why)
}

/// The image's configuration names a keyring that does not exist.
fn missing(settings: &Layers) -> Error {
    let origin = origin(settings).map_or_else(String::new, |origin| format!("{origin}: "));
    let why = format!(
        "{origin}the file of {KEYRING} is not in the image, so every start from it would fail: remove \
         the line, or use --keyring"
    );
    Error::invalid(why)
}
