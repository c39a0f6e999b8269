//! Comparison with the container of Amazon's ecs-init.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use super::json::simplify;
use super::{BASE, trees};

/// Intended differences from the container of Amazon's ecs-init.
const DIFFERENCES: [(&str, &str); 1] = [(
    "Env ECS_VOLUME_PLUGIN_CAPABILITIES",
    "efsAuth is registered only if the volume plugin's socket exists",
)];

/// Properties that Docker or the image adds.
const BY_DOCKER: [&str; 8] = [
    "Env PATH",
    "ConsoleSize",
    "MaskedPaths",
    "ReadonlyPaths",
    "RestartPolicy",
    "Runtime",
    "ShmSize",
    "Config.Image",
];

/// A container's properties by name, without unset ones. Mounts and binds are one property:
/// `source:target[:ro]`, sorted.
fn properties(config: &Value, host_config: &Value) -> BTreeMap<String, Value> {
    let container = simplify(json!({"Env": config["Env"], "HostConfig": host_config}));
    let mut all: BTreeMap<_, _> = container["Env"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (format!("Env {name}"), value.clone()))
        .collect();
    all.insert("Config.Labels".to_owned(), config["Labels"].clone());
    all.insert("Config.Image".to_owned(), config["Image"].clone());
    all.extend(container["HostConfig"].as_object().unwrap().clone());
    let binds = all.remove("Binds").unwrap_or_default();
    let mut binds: Vec<String> = serde_json::from_value(binds).unwrap_or_default();
    for (target, source) in all
        .remove("Mounts")
        .iter()
        .flat_map(|m| m.as_object().unwrap())
    {
        let source = source.as_str().unwrap();
        binds.push(match source.strip_suffix(":ro") {
            Some(source) => format!("{source}:{target}:ro"),
            None => format!("{source}:{target}"),
        });
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
fn container_equals_reference_except_listed_differences() {
    let dir = trees().join(BASE);
    let read = |name: &str| -> Value {
        let text = fs::read_to_string(dir.join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let (reference, actual) = (read("reference.json"), read("expected.json"));
    let reference = properties(&reference["Config"], &reference["HostConfig"]);
    let actual = properties(&actual, &actual["HostConfig"]);
    let different: BTreeSet<&str> = reference
        .keys()
        .chain(actual.keys())
        .filter(|name| reference.get(*name) != actual.get(*name))
        .map(String::as_str)
        .filter(|name| !BY_DOCKER.contains(name))
        .collect();
    let listed: BTreeSet<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    assert_eq!(different, listed);
}
