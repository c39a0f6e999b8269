//! The steps of `bake`: plan, download, stage, commit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::agent;
use super::init::{self, PROGRAM};
use super::manifest::{self, Manifest};
use super::options::{AgentLocation, EcsConfig, Options};
use super::plan::Plan;
use super::tar::InstallableTar;
use super::tree::{Tree, exists};
use super::undo_log::UndoLog;
use super::{
    CACHE, Change, Init, Want, binary, conflicts, ecs_config, image_config, keyring, stale_service,
    volatile_paths,
};
use crate::config::{Config, Origin, Setting};
use crate::error::{Context, Error, Result};
use crate::fs::remove_stale;
use crate::host::{DIRECTORIES, EBS_DIRECTORY};
use crate::sys::signal::Stop;

/// The result of a bake.
#[derive(Debug)]
pub struct Baked {
    /// The init system that will start the agent.
    pub init: Init,
    /// Whether the tree was already as it should be.
    pub unchanged: bool,
    /// The version of the agent that was installed, if one was.
    pub agent: Option<String>,
}

/// Installs into a tree as the options require; on failure the tree is unchanged. `config` is from
/// the environment of the build.
///
/// # Errors
/// The step that failed, and what could not be undone, if anything.
pub fn run(options: &Options, config: &Config, stop: &Stop) -> Result<Baked> {
    let tree = Tree::open(&options.root)?;
    // Released after the changes are kept or undone.
    let _lock = tree.lock()?;
    let mut undo_log = UndoLog::default();
    match install(&tree, options, config, stop, &mut undo_log) {
        Ok(baked) => {
            undo_log.keep();
            Ok(baked)
        }
        Err(error) => Err(undo_log.undo(error)),
    }
}

fn install(
    tree: &Tree,
    options: &Options,
    config: &Config,
    stop: &Stop,
    undo_log: &mut UndoLog,
) -> Result<Baked> {
    volatile_paths::check(tree)?;
    let config = with_options(config, options)?;
    let init = match options.init {
        Some(init) => init::check(init, tree)?,
        None => init::detect(tree)?,
    };
    let previous = Manifest::read(&tree.entry(manifest::PATH.as_ref())?);
    let keyring = keyring::read(&config, tree)?;
    let changes = changes_without_agent(options, init, keyring.clone(), tree)?;
    let removals = conflicts::removals(init, tree)?;
    let removals = stale_service::removals(&previous, &changes, removals, tree)?;
    let removals = without_installed(removals, &changes, tree)?;
    let mut written: Vec<PathBuf> = paths(&changes);

    // Conflicts with the tree are found before the download.
    let mut manifest = Manifest::new(init);
    manifest.add(&changes, options.architecture)?;
    let mut plan = Plan::default();
    plan.add(changes, tree)?;
    plan.add(removals, tree)?;
    image_config::check(tree, &plan, keyring.as_deref())?;

    let cache = tree.follow(CACHE.as_ref())?;
    undo_log.create_directory(&cache, 0o755)?;
    let tar = agent::acquire(options, &config, &cache, &previous, stop)?;
    let agent = tar.as_ref().map(version_text);
    let is_unsigned = tar.as_ref().is_some_and(|tar| tar.signature().is_none());
    if let Some(tar) = tar {
        let stale = agent::stale_names(&tar, &previous);
        let changes = agent::changes(tar);
        written.extend(paths(&changes));
        manifest.add(&changes, options.architecture)?;
        plan.add(changes, tree)?;
        let stale = stale.iter().map(|name| Path::new(CACHE).join(name));
        plan.add(stale.map(Change::absent), tree)?;
    } else {
        manifest.keep_agent(&previous);
    }
    // The user's file: not part of the manifest.
    if options.ecs_config == EcsConfig::Keep && !exists(&tree.follow(ecs_config::PATH.as_ref())?)? {
        plan.add([Change::file(ecs_config::PATH, 0o600, b"")], tree)?;
    }
    // Last: if this bake is killed, the next one still has the old manifest and finds what to
    // remove.
    plan.add([manifest.change()], tree)?;

    let services = Init::all().flat_map(Init::service);
    written.extend(services.map(|change| change.path));
    written.push(manifest::PATH.into());
    remove_temporary(&written, tree)?;
    let unchanged = plan.is_empty();
    let staged = plan.stage(undo_log)?;
    if stop.requested() {
        return Err(Error::interrupted());
    }
    for staged in staged {
        staged.commit(undo_log)?;
    }
    undo_log.sync()?;
    if is_unsigned {
        log::warn!(
            "the tar has no signature: the first boot of the image downloads one from a mirror or a \
             bucket, or needs ECS_INIT_ALLOW_UNSIGNED=true"
        );
    }
    Ok(Baked {
        init,
        unchanged,
        agent,
    })
}

/// The configuration of the build, overridden by the options.
fn with_options(config: &Config, options: &Options) -> Result<Config> {
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
        AgentLocation::None | AgentLocation::Environment | AgentLocation::File { .. } => {}
        AgentLocation::Region(region) => {
            (source.tar, source.mirror) = (None, None);
            config.region = Some(Setting::new(region.clone(), Origin::CommandLine));
        }
        AgentLocation::Mirror(url) => {
            source.tar = None;
            source.mirror = Some(Setting::new(url.clone(), Origin::CommandLine));
        }
    }
    Ok(config)
}

/// All changes except those for the agent.
fn changes_without_agent(
    options: &Options,
    init: Init,
    keyring: Option<Vec<u8>>,
    tree: &Tree,
) -> Result<Vec<Change>> {
    let directories = DIRECTORIES.into_iter().chain([(EBS_DIRECTORY, 0o755)]);
    let mut changes: Vec<_> = directories
        .map(|(path, mode)| Change::directory(path, mode))
        .collect();
    // Fails before the program, a large file, is read.
    let ecs_config = ecs_config::content(options, tree)?;
    let program = binary::read(options.binary.as_deref(), options.architecture)?;
    changes.push(Change::file(PROGRAM, 0o755, program));
    changes.extend(ecs_config.map(|text| Change::file(ecs_config::PATH, 0o600, text)));
    changes.extend(keyring.into_iter().flat_map(keyring::changes));
    changes.push(Change::link(
        "/usr/sbin/ecs-init",
        "../libexec/amazon-ecs-init",
    ));
    changes.extend(init.service());
    Ok(changes)
}

/// The removals, except of files that are installed: a link can give an installed file a second
/// path.
fn without_installed(
    mut removals: Vec<Change>,
    installed: &[Change],
    tree: &Tree,
) -> Result<Vec<Change>> {
    let real_paths = installed.iter().map(|change| tree.entry(&change.path));
    let real_paths = real_paths.collect::<Result<Vec<_>>>()?;
    removals.retain(|change| {
        let real_path = tree.entry(&change.path);
        !matches!(change.want, Want::Absent)
            || real_path.is_ok_and(|real_path| !real_paths.contains(&real_path))
    });
    Ok(removals)
}

fn paths(changes: &[Change]) -> Vec<PathBuf> {
    changes.iter().map(|change| change.path.clone()).collect()
}

/// Removes the temporary files that a killed bake left next to these paths.
fn remove_temporary(paths: &[PathBuf], tree: &Tree) -> Result<()> {
    let mut dirs = BTreeSet::new();
    for path in paths {
        dirs.extend(tree.entry(path)?.parent().map(Path::to_owned));
    }
    for dir in dirs.iter().filter(|dir| dir.is_dir()) {
        remove_stale(dir).context(|| format!("remove temporary files in {}", dir.display()))?;
    }
    Ok(())
}

fn version_text(tar: &InstallableTar) -> String {
    let version = tar.version.as_ref();
    version.map_or_else(|| "unknown version".to_owned(), ToString::to_string)
}
