//! Detects the init system of a tree: reads facts from the tree, then decides with a pure function.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::table::{InitSpec, TABLE};
use super::{Init, Tree};
use crate::error::{Error, Result};

/// The program that the kernel starts.
const PROCESS_1: &str = "/sbin/init";

/// The facts about a tree from which its init system is decided.
#[derive(Debug, Default)]
struct Facts {
    /// What `/sbin/init` resolves to, as a path of the image.
    process_1: Option<PathBuf>,
    /// The signs that exist.
    signs: Vec<(Init, &'static str)>,
}

impl Facts {
    fn read(tree: &Tree) -> Facts {
        let signs = TABLE
            .iter()
            .flat_map(|spec| spec.signs.iter().map(|sign| (spec.init, *sign)));
        Facts {
            process_1: tree.target_in_image(PROCESS_1.as_ref()),
            signs: signs.filter(|(_, sign)| exists(tree, sign)).collect(),
        }
    }
}

fn exists(tree: &Tree, path: &str) -> bool {
    tree.target_in_image(path.as_ref()).is_some()
}

/// The init system of a tree, from the target of `/sbin/init` and the files of init systems. Never
/// [`Init::None`], which cannot be detected.
///
/// # Errors
/// No init system or several were found, or [`check`] fails. The message lists what was found.
pub(in crate::bake) fn detect(tree: &Tree) -> Result<Init> {
    let facts = Facts::read(tree);
    if let Some(init) = decide(&facts) {
        return check(init, tree);
    }
    Err(Error::invalid(format!(
        "{}: cannot detect the init system: {}; set it with --init, or use --init none if \
             process 1 starts `ecs-init run` itself",
        tree.dir().display(),
        describe(&facts)
    )))
}

/// Checks that the file or directory that `init` reads is in the tree. Returns the init system to
/// use: [`Init::S6LinuxInit`] for [`Init::S6`] in a tree with s6-linux-init.
///
/// # Errors
/// The file or directory does not exist; the message has its path.
pub(in crate::bake) fn check(init: Init, tree: &Tree) -> Result<Init> {
    let spec = init.spec();
    let exists = |spec: &InitSpec| spec.required_path.is_none_or(|path| exists(tree, path));
    if let Some(other) = spec.replaced_by.filter(|other| exists(other.spec())) {
        return Ok(other);
    }
    match spec.required_path {
        Some(path) if !exists(spec) => Err(Error::invalid(format!(
            "{}: {init} reads {path}, which does not exist: create it, or use --init none",
            tree.dir().display()
        ))),
        _ => Ok(init),
    }
}

/// The one init system that the facts indicate.
fn decide(facts: &Facts) -> Option<Init> {
    let mut candidates: Vec<Init> = facts.signs.iter().map(|(init, _)| *init).collect();
    candidates.dedup();
    if let Some(path) = &facts.process_1 {
        if let Some(spec) = TABLE.iter().find(|spec| is_process_1(spec, path)) {
            let mut candidates = candidates.iter();
            let preferred = candidates.find(|init| init.spec().precedes.contains(&spec.init));
            return Some(preferred.copied().unwrap_or(spec.init));
        }
        candidates.retain(|init| !init.spec().is_always_linked);
    }
    let all = candidates.clone();
    candidates.retain(|init| !all.iter().any(|other| other.spec().precedes.contains(init)));
    match candidates[..] {
        [init] => Some(init),
        _ => None,
    }
}

fn is_process_1(spec: &InitSpec, path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let has_prefix = |prefix: &str| {
        let mut names = path.iter().filter_map(|name| name.to_str());
        names.any(|name| name.starts_with(prefix))
    };
    name.is_some_and(|name| spec.process_1.contains(&name))
        || spec.process_1_prefix.is_some_and(has_prefix)
}

/// The facts as text, for the error.
fn describe(facts: &Facts) -> String {
    let mut text = match &facts.process_1 {
        Some(path) => format!("{PROCESS_1} is {}", path.display()),
        None => format!("{PROCESS_1} does not exist"),
    };
    if facts.signs.is_empty() {
        text.push_str(", and no file of a known init system exists");
    }
    for (init, path) in &facts.signs {
        // Writing to a String cannot fail.
        let _ = write!(text, ", {path} ({init}) exists");
    }
    text
}

#[cfg(test)]
mod tests;
