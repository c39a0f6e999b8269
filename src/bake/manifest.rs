//! `/var/lib/ecs/ecs-init.manifest.json`: what `bake` installed. The same options give the same
//! bytes: it contains no time, and every list is sorted.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Value, json};

use super::options::Options;
use super::tar::InstallableTar;
use super::tree::Tree;
use super::{CACHE, Change, Init, Want};
use crate::error::{Context, Result};
use crate::fs::sha256;
use crate::sys::file::open_regular_nofollow;
use crate::types::{AgentVersion, Architecture, TarSource, UnverifiedTar};
use crate::types::{read_signature, signature_path};
use crate::verify::Provenance;

/// Its path in the image.
pub(super) const PATH: &str = "/var/lib/ecs/ecs-init.manifest.json";

/// The longest manifest that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// A manifest; `null` if the tree has none:
///
/// ```json
/// {"agent": {"architecture", "certificate", "key", "path", "sha256", "size", "source", "version"},
///  "files": [{"mode", "path", "sha256", "size"}], "init", "lines": [{"line", "path"}],
///  "links": [{"path", "target"}], "version"}
/// ```
///
/// `certificate` and `key` are fingerprints of the signer, null for an unsigned tar; `agent` is null
/// if none was installed. Modes are octal text. Sizes, in bytes, and digests are given for
/// world-readable files only. `version` is this program's.
#[derive(Debug)]
pub(super) struct Manifest(Value);

impl Manifest {
    /// Reads the manifest of an earlier bake. One that cannot be read counts as missing.
    pub fn read(path: &Path) -> Manifest {
        let file = open_regular_nofollow(path);
        let text = file.and_then(|file| io::read_to_string(file.take(LIMIT)));
        Manifest(serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default())
    }

    /// The manifest of a bake that has installed nothing yet.
    pub fn new(init: Init) -> Manifest {
        Manifest(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "init": init.name(),
            "agent": null,
            "files": [],
            "lines": [],
            "links": [],
        }))
    }

    /// Adds what these changes install.
    ///
    /// # Errors
    /// A digest cannot be computed.
    pub fn add(&mut self, changes: &[Change], architecture: Architecture) -> Result<()> {
        for change in changes {
            let path = &*change.path.to_string_lossy();
            match &change.want {
                Want::Directory { .. } | Want::NoLine { .. } | Want::Absent => {}
                Want::Tar(tar) => self.0["agent"] = agent_entry(tar, architecture),
                Want::File { mode, bytes, .. } => {
                    let mut file = json!({"path": path, "mode": format!("{mode:04o}")});
                    // The manifest is world-readable and must not reveal more than its files.
                    if mode & 0o004 != 0 {
                        let digest = sha256(&**bytes).context(|| "write the manifest")?;
                        file["size"] = bytes.len().into();
                        file["sha256"] = digest.to_string().into();
                    }
                    self.push("files", file);
                }
                Want::Link { target } => {
                    let target = &*target.to_string_lossy();
                    self.push("links", json!({"path": path, "target": target}));
                }
                Want::Line { text, .. } => {
                    self.push("lines", json!({"path": path, "line": &**text}));
                }
            }
        }
        Ok(())
    }

    /// Adds the agent of the previous manifest and its files, which stay in the cache.
    pub fn keep_agent(&mut self, previous: &Manifest) {
        self.0["agent"] = previous.0["agent"].clone();
        for list in ["files", "links"] {
            for entry in previous.list(list) {
                let path = entry["path"].as_str().map(Path::new);
                if path.is_some_and(|path| path.starts_with(CACHE)) {
                    self.push(list, entry.clone());
                }
            }
        }
    }

    fn push(&mut self, list: &str, entry: Value) {
        if let Some(list) = self.0[list].as_array_mut() {
            list.push(entry);
            list.sort_by(|a, b| a["path"].as_str().cmp(&b["path"].as_str()));
        }
    }

    /// The change that stores it.
    pub fn change(&self) -> Change {
        Change::file(PATH, 0o644, format!("{:#}\n", self.0).into_bytes())
    }

    /// The name of its tar in the cache. The manifest may have been edited: only the name of an
    /// agent's tar in the cache itself is returned.
    pub fn tar_name(&self) -> Option<&str> {
        let name = self.agent("path").strip_prefix(CACHE)?;
        let name = name.strip_prefix('/')?;
        let version = name.strip_prefix("ecs-agent-")?.strip_suffix(".tar")?;
        (!version.contains('/')).then_some(name)
    }

    /// The init system whose service was installed.
    pub fn init(&self) -> Option<Init> {
        self.0["init"].as_str()?.parse().ok()
    }

    /// Where its tar came from.
    pub fn origin(&self) -> &str {
        self.agent("source")
    }

    /// Whether its tar has this SHA-256.
    pub fn has_digest(&self, sha256: &str) -> bool {
        self.agent("sha256") == sha256
    }

    /// Whether the file or link at this path of the tree is the one that was installed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_installed(&self, path: &Path, tree: &Tree) -> Result<bool> {
        let real_path = tree.entry(path)?;
        if let Ok(target) = fs::read_link(&real_path) {
            return Ok(self.contains("links", path, "target", &target.to_string_lossy()));
        }
        let Ok(file) = open_regular_nofollow(&real_path) else {
            return Ok(false);
        };
        let digest = sha256(file).context(|| format!("read {}", real_path.display()))?;
        Ok(self.contains("files", path, "sha256", &digest.to_string()))
    }

    /// Whether this line was added to the file at `path`.
    pub fn added_line(&self, path: &Path, line: &str) -> bool {
        self.contains("lines", path, "line", line)
    }

    /// Its tar in `dir`, the tree's cache, if the tar has the version and the architecture in the
    /// options. `None` for the version `latest`, which may be another version now, and for a
    /// version that was on the command line only and not in the tar's name: it may be wrong.
    pub fn stored_tar(&self, options: &Options, dir: &Path) -> Option<UnverifiedTar> {
        let wanted = options.version.as_ref()?;
        let is_certain = self.origin().contains("://")
            || AgentVersion::from_tar_name(self.origin()).is_some_and(|named| named == *wanted);
        let same = is_certain
            && *wanted != AgentVersion::Latest
            && self.agent("version") == wanted.to_string()
            && self.agent("architecture") == options.architecture.name();
        let path = dir.join(self.tar_name().filter(|_| same)?);
        let file = open_regular_nofollow(&path).ok()?;
        let signature = read_signature(&signature_path(&path)).ok()?;
        Some(UnverifiedTar::new(file, signature, TarSource::Cache(path)))
    }

    fn agent(&self, key: &str) -> &str {
        self.0["agent"][key].as_str().unwrap_or_default()
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.0[name].as_array().into_iter().flatten()
    }

    fn contains(&self, list: &str, path: &Path, key: &str, value: &str) -> bool {
        self.list(list)
            .any(|entry| entry["path"] == *path.to_string_lossy() && entry[key] == value)
    }
}

fn agent_entry(tar: &InstallableTar, architecture: Architecture) -> Value {
    let verified = tar.verified();
    let (certificate, key) = match verified.provenance() {
        Provenance::Signed {
            certificate, key, ..
        } => (Some(certificate), Some(key)),
        _ => (None, None),
    };
    json!({
        "architecture": architecture.name(),
        "version": tar.version.as_ref().map(ToString::to_string),
        "path": &*tar.path().to_string_lossy(),
        "size": verified.len(),
        "sha256": verified.sha256(),
        "source": tar.origin,
        "certificate": certificate,
        "key": key,
    })
}
