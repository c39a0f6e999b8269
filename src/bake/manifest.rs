//! `/var/lib/ecs/ecs-init.manifest.json`: what was put into the tree. The same order gives the
//! same bytes: there is no time in it, and every list is sorted.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use super::agent::Agent;
use super::options::Options;
use super::tree::Tree;
use super::{Content, Init, Item};
use crate::cache;
use crate::error::{Context, Result};
use crate::fs::sha256;
use crate::image::Archive;
use crate::sys::file::open_regular_nofollow;
use crate::types::Architecture;
use crate::types::{AgentVersion, read_signature, signature_path};
use crate::types::{TarSource, UnverifiedTar};
use crate::verify::Provenance;

/// The longest manifest that is read, in bytes.
const MANIFEST_LIMIT: u64 = 1 << 20;

/// Where it lies.
pub const PATH: &str = "/var/lib/ecs/ecs-init.manifest.json";

/// The manifest of these things:
///
/// ```json
/// {"agent": {"architecture", "certificate", "key", "path", "sha256", "size", "source", "version"},
///  "files": [{"mode", "path", "sha256", "size"}], "init", "lines": [{"line", "path"}],
///  "links": [{"path", "target"}], "version"}
/// ```
///
/// `certificate` and `key` are the fingerprints of who signed, null if nobody did; modes are octal
/// text; sizes are bytes, and are given with the digest of what everybody may read; `version` is this program's.
///
/// # Errors
/// If a digest cannot be made.
pub fn write(
    agent: Option<&Agent>,
    previous: &Previous,
    architecture: Architecture,
    init: Init,
    items: &[Item],
) -> Result<Vec<u8>> {
    let [mut files, mut links, mut added] = [const { Vec::new() }; 3];
    let mut items: Vec<_> = items.iter().collect();
    items.sort_by(|a, b| a.path.cmp(&b.path));
    for item in items {
        let path = &*item.path.to_string_lossy();
        match &item.content {
            Content::Directory { .. } | Content::NoLine { .. } | Content::Nothing => {}
            Content::File { mode, bytes } => {
                let mut file = json!({"path": path, "mode": format!("{mode:04o}")});
                // What not everybody may read gives nothing away here, where everybody may.
                if mode & 0o004 != 0 {
                    file["size"] = bytes.len().into();
                    file["sha256"] = sha256(&**bytes)
                        .context(|| "write the manifest")?
                        .to_string()
                        .into();
                }
                files.push(file);
            }
            Content::Link { target } => {
                links.push(json!({"path": path, "target": &*target.to_string_lossy()}));
            }
            Content::Line { text, .. } => added.push(json!({"path": path, "line": &**text})),
        }
    }
    let agent = if let Some(agent) = agent {
        installed(agent, architecture)
    } else {
        // What an earlier bake put into the cache stays there.
        for (list, name) in [(&mut files, "files"), (&mut links, "links")] {
            let in_cache = |entry: &&Value| {
                let path = entry["path"].as_str().map(Path::new);
                path.is_some_and(|path| path.starts_with(cache::DIRECTORY))
            };
            list.extend(previous.list(name).filter(in_cache).cloned());
            list.sort_by(|a, b| a["path"].as_str().cmp(&b["path"].as_str()));
        }
        previous.0["agent"].clone()
    };
    let manifest = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "init": init.to_string(),
        "agent": agent,
        "files": files,
        "lines": added,
        "links": links,
    });
    Ok(format!("{manifest:#}\n").into_bytes())
}

/// The manifest's entry for the agent.
fn installed(agent: &Agent, architecture: Architecture) -> Value {
    let verified = agent.archive().verified();
    let (certificate, key) = match verified.provenance() {
        Provenance::Signed {
            certificate, key, ..
        } => (Some(certificate), Some(key)),
        _ => (None, None),
    };
    json!({
        "architecture": architecture.name(),
        "version": agent.version().map(ToString::to_string),
        "path": &*agent.path().to_string_lossy(),
        "size": verified.len(),
        "sha256": verified.sha256(),
        "source": agent.origin(),
        "certificate": certificate,
        "key": key,
    })
}

/// The manifest that an earlier `bake` left in the tree, or nothing.
#[derive(Debug)]
pub struct Previous(Value);

impl Previous {
    /// Reads it. One that cannot be read is as good as none.
    #[must_use]
    pub fn read(path: &Path) -> Previous {
        let mut bytes = Vec::new();
        // It may be anything, and lead anywhere.
        let read = open_regular_nofollow(path)
            .and_then(|file| file.take(MANIFEST_LIMIT).read_to_end(&mut bytes));
        if read.is_err() {
            bytes.clear();
        }
        Previous(serde_json::from_slice(&bytes).unwrap_or_default())
    }

    fn agent(&self, what: &str) -> &str {
        self.0["agent"][what].as_str().unwrap_or_default()
    }

    /// The name of its tar in the cache. A manifest may have been written by anybody: nothing but
    /// a tar of the agent's, in the cache itself, is taken for one.
    #[must_use]
    pub fn tar(&self) -> Option<&str> {
        let name = self.agent("path").strip_prefix(cache::DIRECTORY)?;
        let name = name.strip_prefix('/')?;
        let between = name.strip_prefix("ecs-agent-")?.strip_suffix(".tar")?;
        (!between.contains('/')).then_some(name)
    }

    /// The init system whose service it put there.
    pub(super) fn init(&self) -> Option<Init> {
        self.0["init"].as_str()?.parse().ok()
    }

    /// Whether it put the file or link there that is at this path of the tree now.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn put(&self, path: &Path, tree: &Tree) -> Result<bool> {
        let place = tree.entry(path)?;
        if let Ok(target) = fs::read_link(&place) {
            return Ok(self.has("links", path, "target", &target.to_string_lossy()));
        }
        let Ok(file) = open_regular_nofollow(&place) else {
            return Ok(false);
        };
        let digest = sha256(file)
            .context(|| format!("read {}", place.display()))?
            .to_string();
        Ok(self.has("files", path, "sha256", &digest))
    }

    /// Whether it added this line to the file at `path`.
    pub(super) fn added(&self, path: &Path, line: &str) -> bool {
        self.has("lines", path, "line", line)
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.0[name].as_array().into_iter().flatten()
    }

    fn has(&self, list: &str, path: &Path, key: &str, value: &str) -> bool {
        self.list(list)
            .any(|one| one["path"] == *path.to_string_lossy() && one[key] == value)
    }

    /// Where its tar came from.
    pub(super) fn origin(&self) -> &str {
        self.agent("source")
    }

    /// Whether this is its tar.
    pub(super) fn is(&self, archive: &Archive) -> bool {
        self.agent("sha256") == archive.verified().sha256()
    }

    /// Its tar in the cache's directory `dir`, unverified, if it is said to be the one that is
    /// ordered now. `latest` never is: tomorrow's is another. Nor is a file whose name did not tell
    /// its version: whoever ordered it may have been wrong.
    pub(super) fn same(&self, options: &Options, dir: &Path) -> Option<UnverifiedTar> {
        let wanted = options.version.as_ref()?;
        let known = self.origin().contains("://")
            || AgentVersion::from_tar_name(self.origin()).is_some_and(|named| named == *wanted);
        let same = known
            && *wanted != AgentVersion::Latest
            && self.agent("version") == wanted.to_string()
            && self.agent("architecture") == options.architecture.name();
        let path = dir.join(self.tar().filter(|_| same)?);
        let file = open_regular_nofollow(&path).ok()?;
        let signature = read_signature(&signature_path(&path)).ok()?;
        Some(UnverifiedTar::new(file, signature, TarSource::Cache(path)))
    }
}
