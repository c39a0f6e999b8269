//! `/networks`: the bridge that containers are on by default.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;

use super::call::{self, Payload, encode};
use super::{Docker, LARGE, null_is_default};
use crate::error::{Context, Error, Result};

/// The name of a network interface: 1 to 15 bytes, no slash, no white space, not `.` or `..`
/// (the kernel's `dev_valid_name`; IFNAMSIZ is 16 with the NUL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeName(String);

impl BridgeName {
    /// Checks a name.
    ///
    /// # Errors
    /// If the kernel would not take it.
    pub fn new(name: &str) -> Result<Self> {
        let good = (1..16).contains(&name.len())
            && name != "."
            && name != ".."
            // `+` at the end is iptables' wildcard: no dockerd names a bridge so.
            && name.bytes().all(|b| b.is_ascii_graphic() && !b"/:+".contains(&b));
        if good {
            Ok(BridgeName(name.to_owned()))
        } else {
            Err(Error::new(format!(
                "{name:?} is not the name of a network interface"
            )))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BridgeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Docker {
    /// The interface of Docker's default bridge network (`docker0`); `None` if dockerd runs
    /// without one.
    ///
    /// # Errors
    /// If dockerd cannot be asked, or names an interface that cannot be.
    pub fn default_bridge(&self) -> Result<Option<BridgeName>> {
        let doing = || "look for Docker's default bridge";
        let path = format!("/networks?filters={}", encode(r#"{"driver":["bridge"]}"#));
        let json = self
            .get(&path, LARGE)
            .succeed(Payload::Nothing)
            .doing(doing)?;
        find(&json).doing(doing)
    }
}

fn find(json: &[u8]) -> Result<Option<BridgeName>> {
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
        .map(|name| BridgeName::new(&name))
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
        for good in ["docker0", "br-0123456789ab", "a.1@b"] {
            assert!(BridgeName::new(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "a234567890123456",
            "a/b",
            "a b",
            "..",
            "a\n",
            "br+",
            "é",
        ];
        for bad in bad {
            assert!(BridgeName::new(bad).is_err(), "{bad:?}");
        }
    }
}
