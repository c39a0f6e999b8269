//! `/networks`: the interface of the default bridge.

use std::collections::HashMap;

use serde::Deserialize;

use super::call::{self, Payload};
use super::{Docker, LARGE, null_is_default};
use crate::error::{Context, Result};
use crate::http::url::percent_encode;
use crate::types::Interface;

impl Docker {
    /// The interface of Docker's default bridge network (`docker0`); `None` if dockerd runs
    /// without one.
    ///
    /// # Errors
    /// The call failed, or the interface name is invalid.
    pub fn default_bridge(&self) -> Result<Option<Interface>> {
        let context = || "look up Docker's default bridge";
        let path = format!(
            "/networks?filters={}",
            percent_encode(r#"{"driver":["bridge"]}"#)
        );
        let json = self
            .get(&path, LARGE)
            .succeed(Payload::Nothing)
            .context(context)?;
        default_bridge(&json).context(context)
    }
}

fn default_bridge(json: &[u8]) -> Result<Option<Interface>> {
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
        .map(|name| Interface::new(&name))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn default_bridge_by_its_option() {
        let json = br#"[
            {"Name":"x","Driver":"bridge","Options":null},
            {"Name":"y","Options":{"com.docker.network.bridge.name":"br-y"}},
            {"Name":"bridge","Options":{"com.docker.network.bridge.default_bridge":"true",
                "com.docker.network.bridge.name":"docker0"}}]"#;
        assert_eq!(default_bridge(json).unwrap().unwrap().as_str(), "docker0");
        assert_eq!(default_bridge(b"[]").unwrap(), None);
        assert_eq!(default_bridge(b"null").unwrap(), None);
    }

    #[test]
    fn invalid_bridge_name_is_rejected() {
        let json = br#"[{"Options":{"com.docker.network.bridge.default_bridge":"true",
                "com.docker.network.bridge.name":"../x"}}]"#;
        assert_eq!(default_bridge(json).unwrap_err().kind(), Kind::InvalidInput);
    }
}
