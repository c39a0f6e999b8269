//! The steps of `bake`: look, fetch, write beside, put there.

use std::path::{Path, PathBuf};

use super::agent::{self, Agent};
use super::init::BINARY;
use super::journal::Journal;
use super::manifest::{self, Previous};
use super::options::{AgentTar, Options};
use super::rivals::rivals;
use super::superseded::superseded;
use super::target::Target;
use super::tree::{Tree, exists};
use super::{Content, Init, Item, binary, image, keyring, lasting, settings};
use crate::cache;
use crate::config::{Config, Origin, Setting};
use crate::error::{Context, Error, Result};
use crate::host::{DIRECTORIES, EBS_DIRECTORY};
use crate::sys::signal::Stop;
use crate::types::signature_path;

/// What came of it.
#[derive(Debug)]
pub struct Baked {
    /// The init system that will start the agent.
    pub init: Init,
    /// Whether the tree was as it should be before.
    pub unchanged: bool,
    /// The version of the agent that was installed, if one was.
    pub agent: Option<String>,
}

/// Fills the tree as it was ordered, or leaves it as it was. `config` is the build's environment.
///
/// # Errors
/// What stopped it; and what could not be undone, if anything could not.
pub fn run(options: &Options, config: &Config, stop: &Stop) -> Result<Baked> {
    let tree = Tree::open(&options.root)?;
    // Until all is kept or undone.
    let _lock = tree.lock()?;
    let mut journal = Journal::default();
    match fill(&tree, options, config, stop, &mut journal) {
        Ok(baked) => {
            journal.keep();
            Ok(baked)
        }
        Err(error) => Err(journal.undo(error)),
    }
}

fn fill(
    tree: &Tree,
    options: &Options,
    config: &Config,
    stop: &Stop,
    journal: &mut Journal,
) -> Result<Baked> {
    lasting::check(tree)?;
    let config = configured(options, config)?;
    let init = match options.init {
        Some(init) => init.fits(&tree.root())?,
        None => Init::detect(&tree.root())?,
    };
    let text = settings::wanted(options, tree)?;
    let placeholder = text
        .is_none()
        .then(|| Item::file(settings::PATH, 0o600, b""));
    let mut items = vec![Item::file(
        BINARY,
        0o755,
        binary::read(options.binary.as_deref(), options.architecture)?,
    )];
    items.extend(text.map(|text| Item::file(settings::PATH, 0o600, text)));
    items.extend(keyring::items(&config, tree)?);
    items.push(Item::link(
        "/usr/sbin/ecs-init",
        "../libexec/amazon-ecs-init",
    ));
    items.extend(init.items());
    let directories = DIRECTORIES.into_iter().chain([(EBS_DIRECTORY, 0o755)]);
    let directories: Vec<_> = directories
        .map(|(path, mode)| Item::directory(path, mode))
        .collect();
    let previous = Previous::read(&tree.entry(manifest::PATH.as_ref())?);
    let gone = superseded(&previous, &items, rivals(init, tree)?, tree)?;
    let gone = unwanted(gone, &items, tree)?;
    // What is in the way is found before anything is fetched.
    let targets = Target::of_all(directories.iter().chain(&items).chain(&gone), tree)?;
    image::judge(tree, &targets, &items)?;

    let dir = tree.follow(cache::DIRECTORY.as_ref())?;
    journal.directory(&dir, 0o755)?;
    let mut agent = match options.agent {
        AgentTar::None => None,
        _ => Some(agent::acquire(options, &config, &dir, &previous, stop)?),
    };
    items.extend(agent.iter().flat_map(cached));
    let manifest = manifest::write(
        agent.as_ref(),
        &previous,
        options.architecture,
        init,
        &items,
    )?;
    let manifest = Item::file(manifest::PATH, 0o644, manifest);

    let mut targets = Vec::new();
    if let Some(agent) = &agent {
        targets.extend(Target::of_tar(agent, tree)?);
    }
    // The user's own file is none of the manifest's.
    let placeholder = match placeholder {
        Some(item) if !exists(&tree.follow(settings::PATH.as_ref())?)? => Some(item),
        _ => None,
    };
    let services: Vec<_> = Init::ALL
        .iter()
        .flat_map(|(_, init)| init.items())
        .collect();
    let swept = places(items.iter().chain(&services).chain([&manifest]), tree)?;
    let items = directories.iter().chain(&items).chain(&placeholder);
    targets.extend(Target::of_all(items.chain(&gone), tree)?);
    for name in agent.iter().flat_map(|agent| stale(agent, &previous)) {
        let path = dir.join(name);
        if exists(&path)? {
            targets.push(Target::removal(path));
        }
    }
    // Last: where a kill comes before it, the next bake still finds what is to be taken away.
    targets.extend(Target::of(&manifest, tree)?);
    let unchanged = targets.is_empty();
    // What a killed one left lies beside its places, be they to be written again or not.
    for item in &swept {
        if let Some(dir) = item.parent().filter(|dir| dir.is_dir()) {
            crate::fs::remove_stale(dir).context(|| format!("sweep {}", dir.display()))?;
        }
    }
    let mut staged = Vec::new();
    for target in targets {
        staged.push(target.stage(agent.as_mut(), journal)?);
    }
    if stop.requested() {
        return Err(Error::interrupted());
    }
    for staged in staged {
        staged.place(journal)?;
    }
    journal.sync()?;
    agent.iter().for_each(warn_unsigned);
    Ok(Baked {
        init,
        unchanged,
        agent: agent.map(|agent| match agent.version() {
            Some(version) => version.to_string(),
            None => "of unknown version".to_owned(),
        }),
    })
}

fn warn_unsigned(agent: &Agent) {
    if agent.signature().is_none() {
        log::warn!(
            "the tar has no signature: the first boot of the image fetches it from a mirror or a \
             bucket, or needs ECS_INIT_ALLOW_UNSIGNED=true"
        );
    }
}

/// Where these things lie.
fn places<'i>(items: impl IntoIterator<Item = &'i Item>, tree: &Tree) -> Result<Vec<PathBuf>> {
    let places = items.into_iter().map(|item| tree.entry(&item.path));
    places.collect()
}

/// What is to be removed, without what lies, by another name, where something wanted will lie.
fn unwanted(mut gone: Vec<Item>, items: &[Item], tree: &Tree) -> Result<Vec<Item>> {
    let wanted = places(items, tree)?;
    let stays = |item: &Item| tree.entry(&item.path).is_ok_and(|at| wanted.contains(&at));
    gone.retain(|item| item.content != Content::Nothing || !stays(item));
    Ok(gone)
}

/// The configuration of the search and the gate: the environment, and over it the options.
fn configured(options: &Options, config: &Config) -> Result<Config> {
    let mut config = config.clone();
    let source = &mut config.source;
    if let Some(version) = &options.version {
        source.version = version.clone();
    }
    if let Some(path) = &options.keyring {
        let path = std::path::absolute(path).context(|| format!("find {}", path.display()))?;
        source.keyring = Some(Setting::new(path, Origin::CommandLine));
    }
    match &options.agent {
        AgentTar::None | AgentTar::Environment | AgentTar::File { .. } => {}
        AgentTar::Region(region) => {
            (source.tar, source.mirror) = (None, None);
            config.region = Some(Setting::new(region.clone(), Origin::CommandLine));
        }
        AgentTar::Mirror(url) => {
            source.tar = None;
            source.mirror = Some(Setting::new(url.clone(), Origin::CommandLine));
        }
    }
    Ok(config)
}

/// What belongs to the tar in the cache.
fn cached(agent: &Agent) -> Vec<Item> {
    let in_cache = |name: &str| Path::new(cache::DIRECTORY).join(name);
    let tar = agent.path();
    let mut items = Vec::new();
    if let Some(signature) = agent.signature() {
        let path = signature_path(&tar);
        items.push(Item::file(path, 0o644, signature.to_vec()));
    }
    if let Some(name) = tar.file_name() {
        items.push(Item::link(in_cache(cache::TAR), name));
    }
    // The tar is to be loaded whatever Docker has: what a package writes.
    items.push(Item::file(in_cache("state"), 0o644, b"2\n"));
    items
}

/// The names in the cache that must not stay: the tar of the bake before, and signatures of tars
/// that are no more.
fn stale(agent: &Agent, previous: &Previous) -> Vec<String> {
    let signature = |tar: &str| format!("{tar}.asc");
    let mut names = vec![signature(cache::TAR)];
    let path = agent.path();
    let now = path.file_name().unwrap_or_default().to_string_lossy();
    if agent.signature().is_none() {
        names.push(signature(&now));
    }
    if let Some(old) = previous.tar().filter(|old| **old != *now) {
        names.extend([old.to_owned(), signature(old)]);
    }
    names
}
