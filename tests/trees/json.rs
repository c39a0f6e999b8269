//! Containers as JSON, in a form that can be patched.

use serde_json::{Map, Value, json};

/// A container whose lists are maps: `Env` from names to values, `Mounts` from targets to
/// `source[:ro]`.
pub fn simplify(mut container: Value) -> Value {
    let env = container["Env"].as_array().expect("Env").iter();
    let env: Map<_, _> = env
        .map(|line| line.as_str().unwrap().split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    container["Env"] = env.into();
    let host_config = container["HostConfig"].as_object_mut().expect("HostConfig");
    let mounts = host_config.remove("Mounts").unwrap_or_default();
    let mounts: Map<_, _> = mounts
        .as_array()
        .into_iter()
        .flatten()
        .map(|mount| {
            let path = |key: &str| mount[key].as_str().unwrap().to_owned();
            let mode = match mount["ReadOnly"].as_bool() {
                Some(true) => ":ro",
                _ => "",
            };
            (path("Target"), json!(path("Source") + mode))
        })
        .collect();
    host_config.insert("Mounts".to_owned(), mounts.into());
    container
}

/// The merge patch (RFC 7396) from one value to another.
pub fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Some(from), Some(to)) = (from.as_object(), to.as_object()) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in to {
        match from.get(name) {
            Some(old) if old == value => {}
            Some(old) => {
                patch.insert(name.clone(), merge_patch(old, value));
            }
            None => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    patch.into()
}
