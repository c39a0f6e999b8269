//! Golden trees: hosts, and the container and firewall rules that ecs-init plans for them.
//!
//! `tests/trees/01-debian-12` is the base: a complete host, and beside its `etc`, `var`, `proc` …
//! the expected results. Every other directory is a case: its files are copied over those of the
//! base, and its expected results are the differences from those of the base.
//!
//! | file | content | in a case |
//! |---|---|---|
//! | `environment` | the environment of the process | the same |
//! | `absent` | | paths of the base to remove |
//! | `expected.json` | the body of `POST /containers/create` | a merge patch (RFC 7396), see [`json::simplify`] |
//! | `expected.error` | | the error instead of a container |
//! | `expected.warnings` | warnings about the configuration and the host | additional ones; after `- `, missing ones |
//! | `expected.rules` | the output of `ecs-init rules` | the same, if different |
//! | `reference.json` | the container of Amazon's ecs-init on such a host, as shown by Docker | |
//!
//! `ECS_INIT_TEST_BLESS=1` writes the expected results; review them before committing.

mod json;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ecs_init::agent;
use ecs_init::config::Config;
use ecs_init::host::Host;
use ecs_init::testing::TempDir;
use serde_json::Value;

use json::{merge_patch, simplify};

const BASE: &str = "01-debian-12";

fn trees() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees")
}

/// The directories of the cases, without the base.
fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<_> = fs::read_dir(trees())
        .expect("tests/trees")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && !path.ends_with(BASE))
        .collect();
    cases.sort();
    cases
}

/// Copies a host, without the files about its case.
fn copy(from: &Path, to: &Path, is_top: bool) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to, false);
        } else if !is_top {
            fs::copy(from, to).unwrap();
        }
    }
}

/// A host: the root, the environment.
struct Tree {
    root: TempDir,
    environment: Vec<(String, String)>,
}

impl Tree {
    /// The host of a case, or of the base.
    fn new(case: &Path) -> Tree {
        let root = TempDir::new("tree");
        copy(&trees().join(BASE), root.path(), true);
        copy(case, root.path(), true);
        let read = |name: &str| fs::read_to_string(case.join(name)).unwrap_or_default();
        for path in read("absent").lines() {
            let path = root.path().join(path);
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
        let path = root.path().display().to_string();
        let mut environment = vec![("ECS_INIT_ROOT".to_owned(), path)];
        for line in read("environment").lines() {
            let (name, value) = line.split_once('=').expect("NAME=value");
            environment.push((name.to_owned(), value.to_owned()));
        }
        Tree { root, environment }
    }

    /// The results for this host.
    fn results(&self) -> Results {
        let (config, warnings) = Config::load(self.environment.clone());
        let host = Host::read(&config.root, agent::paths(&config));
        let mut warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        let container = match agent::plan(&config, &host) {
            Ok(plan) => {
                warnings.extend(plan.warnings);
                Ok(serde_json::to_value(plan.container).unwrap())
            }
            Err(error) => Err(error.to_string()),
        };
        let root = self.root.path().display().to_string();
        Results {
            container,
            warnings: warnings
                .iter()
                .map(|note| note.replace(&root, ""))
                .collect(),
            rules: self.rules(),
        }
    }

    /// The output of the command. Without dockerd the bridge is `docker0`.
    fn rules(&self) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_ecs-init"))
            .arg("rules")
            .env_clear()
            .envs(self.environment.clone())
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .output()
            .expect("run ecs-init");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

struct Results {
    container: Result<Value, String>,
    warnings: Vec<String>,
    rules: String,
}

/// The content of the expected files, by name.
type Files = BTreeMap<&'static str, String>;

fn lines<'a>(lines: impl IntoIterator<Item = &'a String>) -> String {
    lines
        .into_iter()
        .fold(String::new(), |text, line| text + line + "\n")
}

impl Results {
    /// The expected files of the base.
    fn complete(&self) -> Files {
        let container = self.container.as_ref().expect("a container");
        BTreeMap::from([
            ("expected.json", format!("{container:#}\n")),
            ("expected.warnings", lines(&self.warnings)),
            ("expected.rules", self.rules.clone()),
        ])
    }

    /// The expected files of a case.
    fn differences(&self, base: &Results) -> Files {
        let mut files = Files::new();
        match &self.container {
            Ok(container) => {
                let container = simplify(container.clone());
                let base = simplify(base.container.clone().expect("a container"));
                let patch = merge_patch(&base, &container);
                files.insert("expected.json", format!("{patch:#}\n"));
            }
            Err(error) => {
                files.insert("expected.error", format!("{error}\n"));
            }
        }
        let mut warnings: Vec<_> = self
            .warnings
            .iter()
            .filter(|note| !base.warnings.contains(note))
            .cloned()
            .collect();
        if self.container.is_ok() {
            let missing = base
                .warnings
                .iter()
                .filter(|note| !self.warnings.contains(note));
            warnings.extend(missing.map(|note| format!("- {note}")));
        }
        if !warnings.is_empty() {
            files.insert("expected.warnings", lines(&warnings));
        }
        if self.rules != base.rules {
            files.insert("expected.rules", self.rules.clone());
        }
        files
    }
}

/// The expected files in a directory.
fn expected(dir: &Path) -> BTreeMap<String, String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| name.starts_with("expected."))
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect()
}

/// Compares results with the expected files, or writes them; returns the differences.
fn compare(dir: &Path, results: &Files, bless: bool) -> Vec<String> {
    let expected = expected(dir);
    if bless {
        for name in expected.keys() {
            fs::remove_file(dir.join(name)).unwrap();
        }
        for (name, text) in results {
            fs::write(dir.join(name), text).unwrap();
        }
    }
    let names: BTreeSet<&str> = results
        .keys()
        .copied()
        .chain(expected.keys().map(String::as_str))
        .collect();
    let show = |text: Option<&String>| text.map_or("(none)\n", String::as_str).to_owned();
    names
        .into_iter()
        .filter(|name| results.get(name) != expected.get(*name))
        .map(|name| {
            format!(
                "{}/{name}\n--- expected\n{}--- actual\n{}",
                dir.display(),
                show(expected.get(name)),
                show(results.get(name))
            )
        })
        .collect()
}

#[test]
fn results_of_every_tree() {
    let bless = std::env::var_os("ECS_INIT_TEST_BLESS").is_some();
    let base_dir = trees().join(BASE);
    let base = Tree::new(&base_dir).results();
    let mut differences = compare(&base_dir, &base.complete(), bless);
    let cases = cases();
    assert!(cases.len() > 10, "only {} cases", cases.len());
    for case in cases {
        let results = Tree::new(&case).results().differences(&base);
        differences.extend(compare(&case, &results, bless));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
