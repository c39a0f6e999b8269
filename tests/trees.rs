//! Golden trees: each directory `tests/trees/NN-name` is a host, and beside its `etc`, `var`,
//! `proc` … lies what must come of it:
//!
//! | file | what it is |
//! |---|---|
//! | `environment` | the process's environment, if it has any |
//! | `expected.json` | the body of `POST /containers/create` |
//! | `expected.notes` | warnings about the configuration, then what had to be left out; none: no line |
//! | `expected.error` | in place of the first: why there is no container |
//! | `expected.rules` | what the verb `rules` prints |
//! | `reference.json` | what Docker shows of the container that the reference made on such a host |
//!
//! `ECS_INIT_TEST_BLESS=1` writes the expected files anew, for a person to read before they count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ecs_init::agent;
use ecs_init::config::Config;
use ecs_init::host::Host;
use serde_json::{Value, json};

fn trees() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees");
    let mut trees: Vec<_> = fs::read_dir(dir)
        .expect("tests/trees")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    trees.sort();
    trees
}

/// The tree's environment, and the tree as the root.
fn environment(tree: &Path) -> Vec<(String, String)> {
    let mut all = vec![("ECS_INIT_ROOT".to_owned(), tree.display().to_string())];
    let text = fs::read_to_string(tree.join("environment")).unwrap_or_default();
    for line in text.lines() {
        let (name, value) = line.split_once('=').expect("NAME=value");
        all.push((name.to_owned(), value.to_owned()));
    }
    all
}

/// What comes of the tree, by the name of the file that it is to be equal to.
fn made(tree: &Path) -> BTreeMap<&'static str, String> {
    let (config, warnings) = Config::load(environment(tree));
    let mut notes: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let host = Host::read(&config.root, agent::paths(&config));
    let mut made = BTreeMap::new();
    match agent::plan(&config, &host) {
        Ok(plan) => {
            let body = serde_json::to_value(plan.container).unwrap();
            made.insert("expected.json", format!("{body:#}\n"));
            notes.extend(plan.notes);
        }
        Err(error) => {
            made.insert("expected.error", format!("{error}\n"));
        }
    }
    let root = tree.display().to_string();
    let notes: String = notes
        .iter()
        .map(|note| note.replace(&root, "") + "\n")
        .collect();
    if !notes.is_empty() {
        made.insert("expected.notes", notes);
    }
    made.insert("expected.rules", rules(tree));
    made
}

/// The verb itself. No dockerd is asked: the bridge is then Docker's usual one.
fn rules(tree: &Path) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_ecs-init"))
        .arg("rules")
        .env_clear()
        .envs(environment(tree))
        .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        .output()
        .expect("run ecs-init");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}: {said}", tree.display());
    String::from_utf8(done.stdout).expect("UTF-8")
}

/// The expected files that the tree has.
fn expected(tree: &Path) -> BTreeMap<String, String> {
    fs::read_dir(tree)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
        .filter(|(name, _)| name.starts_with("expected."))
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn every_tree_gives_what_lies_beside_it() {
    let bless = std::env::var_os("ECS_INIT_TEST_BLESS").is_some();
    let trees = trees();
    assert!(trees.len() > 10, "only {} trees", trees.len());
    let mut wrong = Vec::new();
    for tree in &trees {
        let made = made(tree);
        let expected = expected(tree);
        if bless {
            for name in expected.keys() {
                fs::remove_file(tree.join(name)).unwrap();
            }
            for (name, text) in &made {
                fs::write(tree.join(name), text).unwrap();
            }
            continue;
        }
        let names: BTreeSet<&str> = made
            .keys()
            .copied()
            .chain(expected.keys().map(String::as_str))
            .collect();
        for name in names {
            let (made, expected) = (made.get(name), expected.get(name));
            if made != expected {
                let show =
                    |text: Option<&String>| text.map_or("(none)\n", String::as_str).to_owned();
                wrong.push(format!(
                    "{}/{name}\n--- expected\n{}--- made\n{}",
                    tree.display(),
                    show(expected),
                    show(made)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        !bless,
        "blessed {} trees: read them, and run this again without",
        trees.len()
    );
}

/// What our container has otherwise than the reference's, on purpose. All else must be equal.
const DIFFERENCES: [(&str, &str); 1] = [(
    "Env ECS_VOLUME_PLUGIN_CAPABILITIES",
    "efsAuth is offered only where the volume plugin's socket is",
)];

/// What Docker, or the image, adds by itself: the same for both programs.
const OF_DOCKER: [&str; 8] = [
    "Env PATH",
    "ConsoleSize",
    "MaskedPaths",
    "ReadonlyPaths",
    "RestartPolicy",
    "Runtime",
    "ShmSize",
    "Config.Image",
];

/// `name=value` lines by name.
fn by_name(lines: &Value) -> BTreeMap<String, Value> {
    let lines = lines.as_array().expect("an array");
    lines
        .iter()
        .map(|line| line.as_str().unwrap().split_once('=').unwrap())
        .map(|(name, value)| (format!("Env {name}"), json!(value)))
        .collect()
}

/// A container's properties by name. Mounts and binds are one: `source:target[:ro]`, sorted. What
/// is not set is not in it.
fn properties(config: &Value, host_config: &Value) -> BTreeMap<String, Value> {
    let mut all = by_name(&config["Env"]);
    all.insert("Config.Labels".to_owned(), config["Labels"].clone());
    all.insert("Config.Image".to_owned(), config["Image"].clone());
    all.extend(host_config.as_object().unwrap().clone());
    let strings = |value: Option<Value>| -> Vec<String> {
        value
            .and_then(|v| serde_json::from_value(v).ok())
            .unwrap_or_default()
    };
    let mut binds = strings(all.remove("Binds"));
    for mount in all
        .remove("Mounts")
        .iter()
        .flat_map(|m| m.as_array().unwrap())
    {
        let mode = match mount["ReadOnly"].as_bool() {
            Some(true) => ":ro",
            _ => "",
        };
        let path = |end: &str| mount[end].as_str().unwrap().to_owned();
        binds.push(format!("{}:{}{mode}", path("Source"), path("Target")));
    }
    binds.sort();
    all.insert("Binds".to_owned(), json!(binds));
    let unset = [
        json!(null),
        json!(""),
        json!(0),
        json!(false),
        json!([]),
        json!({}),
    ];
    all.retain(|_, value| !unset.contains(value));
    all
}

#[test]
fn the_references_container_but_for_what_is_listed() {
    let mut compared = 0;
    for tree in trees() {
        let Ok(text) = fs::read_to_string(tree.join("reference.json")) else {
            continue;
        };
        compared += 1;
        let reference: Value = serde_json::from_str(&text).unwrap();
        let text = fs::read_to_string(tree.join("expected.json")).unwrap();
        let ours: Value = serde_json::from_str(&text).unwrap();
        let theirs = properties(&reference["Config"], &reference["HostConfig"]);
        let ours = properties(&ours, &ours["HostConfig"]);
        let different: BTreeSet<&str> = theirs
            .keys()
            .chain(ours.keys())
            .filter(|name| theirs.get(*name) != ours.get(*name))
            .map(String::as_str)
            .filter(|name| !OF_DOCKER.contains(name))
            .collect();
        let listed: BTreeSet<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
        assert_eq!(different, listed, "{}", tree.display());
    }
    assert!(compared > 0, "no tree has a reference.json");
}
