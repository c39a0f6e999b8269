//! Which init a tree has: facts are read, then one pure decision.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::Init;
use super::items::{INITTAB, S6_RUN_IMAGE, S6_SERVICES};
use crate::bake::tree::Tree;
use crate::error::{Error, Kind, Result};
use crate::types::Root;

/// What the kernel starts.
const INIT: &str = "/sbin/init";

/// Files that speak for an init.
const SIGNS: [(Init, &str); 12] = [
    (Init::Systemd, "/usr/lib/systemd/systemd"),
    (Init::Systemd, "/lib/systemd/systemd"),
    (Init::OpenRc, "/sbin/openrc-run"),
    (Init::Runit, "/sbin/runit-init"),
    (Init::Runit, "/usr/bin/runit-init"),
    (Init::Runit, "/lib/runit/runit-init"),
    (Init::S6, "/usr/bin/s6-svscan"),
    (Init::S6, "/bin/s6-svscan"),
    (Init::S6, "/command/s6-svscan"),
    (Init::Upstart, "/sbin/initctl"),
    // Debian and its like; Red Hat and Slackware.
    (Init::SysV, "/etc/init.d/rc"),
    (Init::SysV, "/etc/rc.d/rc"),
];

/// What there is in a tree.
#[derive(Debug, Default)]
struct Facts {
    /// What `/sbin/init` is in the end, as a path of the tree.
    init: Option<PathBuf>,
    /// The signs that are there.
    signs: Vec<(Init, &'static str)>,
}

impl Facts {
    fn read(root: &Root) -> Result<Facts> {
        let tree = Tree::open(root.dir())?;
        let there = |path: &str| leads(&tree, Path::new(path));
        Ok(Facts {
            init: there(INIT),
            signs: SIGNS
                .into_iter()
                .filter(|(_, path)| there(path).is_some())
                .collect(),
        })
    }
}

pub(super) fn detect(root: &Root) -> Result<Init> {
    let facts = Facts::read(root)?;
    if let Some(init) = decide(&facts) {
        return fits(init, root);
    }
    let why = describe(&facts);
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "{}: {why}; or name an init with --init, or --init none if process 1 is to start \
         `ecs-init run` itself",
            root.dir().display()
        ),
    ))
}

/// The init, if what it reads is there.
pub(super) fn fits(init: Init, root: &Root) -> Result<Init> {
    let tree = Tree::open(root.dir())?;
    let there = |path: &str| leads(&tree, Path::new(path)).is_some();
    let reads = match init {
        // A new one, with our line alone, would leave the host without its other services.
        Init::SysV | Init::Busybox => INITTAB,
        Init::S6 if there(S6_RUN_IMAGE) => return Ok(Init::S6LinuxInit),
        // A new one is scanned by nobody.
        Init::S6 => S6_SERVICES,
        Init::S6LinuxInit => S6_RUN_IMAGE,
        _ => return Ok(init),
    };
    if there(reads) {
        return Ok(init);
    }
    Err(Error::new(
        Kind::InvalidInput,
        format!(
            "{}: its init is {init}, which reads {reads}, and there is none: make it first, or say \
         --init none",
            root.dir().display()
        ),
    ))
}

/// The one init that the facts speak for.
fn decide(facts: &Facts) -> Option<Init> {
    let mut candidates: BTreeSet<usize> = facts.signs.iter().map(|(init, _)| rank(*init)).collect();
    let openrc = candidates.contains(&rank(Init::OpenRc));
    if let Some(path) = &facts.init {
        if let Some(init) = path.iter().find_map(s6) {
            return Some(init);
        }
        match path.file_name().and_then(OsStr::to_str) {
            Some("systemd") => return Some(Init::Systemd),
            Some("openrc-init") => return Some(Init::OpenRc),
            Some("runit-init" | "runit") => return Some(Init::Runit),
            Some("upstart") => return Some(Init::Upstart),
            // Alpine: BusyBox is process 1, and OpenRC is what it starts.
            Some("busybox") if openrc => return Some(Init::OpenRc),
            Some("busybox") => return Some(Init::Busybox),
            // A program of its own: systemd and runit would have been a link to theirs.
            _ => {
                candidates.remove(&rank(Init::Systemd));
                candidates.remove(&rank(Init::Runit));
            }
        }
    }
    // OpenRC brings an `/etc/init.d/rc` of its own, for System V init to start; upstart keeps
    // System V's scripts going.
    if openrc || candidates.contains(&rank(Init::Upstart)) {
        candidates.remove(&rank(Init::SysV));
    }
    match (candidates.pop_first(), candidates.first()) {
        (Some(one), None) => Init::ALL.get(one).map(|(_, init)| *init),
        _ => None,
    }
}

/// Its place in [`Init::ALL`].
fn rank(init: Init) -> usize {
    let found = Init::ALL.iter().position(|(_, one)| *one == init);
    found.unwrap_or(usize::MAX)
}

fn s6(part: &OsStr) -> Option<Init> {
    match part.to_str()? {
        "s6-svscan" => Some(Init::S6),
        part if part.starts_with("s6-linux-init") => Some(Init::S6LinuxInit),
        _ => None,
    }
}

/// What was found, for the person who has to choose.
fn describe(facts: &Facts) -> String {
    let mut text = match &facts.init {
        Some(path) => format!("{INIT} is {}", path.display()),
        None => format!("there is no {INIT}"),
    };
    text.push_str(", and the tree has ");
    if facts.signs.is_empty() {
        text.push_str("no init that is known here");
    }
    for (n, (init, path)) in facts.signs.iter().enumerate() {
        let comma = if n == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{init} ({path})");
    }
    text
}

/// Where a path leads in the tree, as a path of the tree; `None` if nothing is there.
fn leads(tree: &Tree, path: &Path) -> Option<PathBuf> {
    let place = tree.follow(path).ok()?;
    fs::symlink_metadata(&place).ok()?;
    let below = place.strip_prefix(tree.root().dir()).ok()?.to_owned();
    Some(Path::new("/").join(below))
}

#[cfg(test)]
mod tests;
