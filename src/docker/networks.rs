//! `/networks`: the bridge that containers are on by default.

use std::collections::HashMap;

use serde::Deserialize;

use super::call::{self, Payload, encode};
use super::{Docker, LARGE, null_is_default};
use crate::error::{Context, Error, Kind, Result};
use crate::types::Interface;

impl Docker {
    /// The interface of Docker's default bridge network (`docker0`); `None` if dockerd runs
    /// without one.
    ///
    /// # Errors
    /// If dockerd cannot be asked, or names an interface that cannot be.
    pub fn default_bridge(&self) -> Result<Option<Interface>> {
        let doing = || "look for Docker's default bridge";
        let path = format!("/networks?filters={}", encode(r#"{"driver":["bridge"]}"#));
        let json = self
            .get(&path, LARGE)
            .succeed(Payload::Nothing)
            .context(doing)?;
        find(&json).context(doing)
    }
}

fn find(json: &[u8]) -> Result<Option<Interface>> {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase", default)]
    struct Network {
        #[serde(deserialize_with = "null_is_default")]
        options: HashMap<String, String>,
    }
    let networks: Option<Vec<Network>> = call::parse(json)?;
    let option = |n: &Network, key: &str| {
        let key = format!("com.docker.network.bridge.{key}");
        n.options.get(&key).cloned()
    };
    networks
        .unwrap_or_default()
        .iter()
        .find(|n| option(n, "default_bridge").as_deref() == Some("true"))
        .and_then(|n| option(n, "name"))
        .map(|name| {
            Interface::new(&name).map_err(|why| {
                Error::new(Kind::InvalidInput, format!("{name:?} is no bridge: {why}"))
            })
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_bridge_is_the_one_that_says_so() {
        let json = br#"[
            {"Name":"x","Driver":"bridge","Options":null},
            {"Name":"y","Options":{"com.docker.network.bridge.name":"br-y"}},
            {"Name":"bridge","Options":{"com.docker.network.bridge.default_bridge":"true",
                "com.docker.network.bridge.name":"docker0"}}]"#;
        assert_eq!(find(json).unwrap().unwrap().as_str(), "docker0");
        assert_eq!(find(b"[]").unwrap(), None);
        assert_eq!(find(b"null").unwrap(), None);
    }

    #[test]
    fn a_name_that_no_interface_can_have_is_refused() {
        let json = br#"[{"Options":{"com.docker.network.bridge.default_bridge":"true",
                "com.docker.network.bridge.name":"../x"}}]"#;
        let error = find(json).unwrap_err().to_string();
        assert!(error.contains("../x"), "{error}");
    }
}
