//! A registry's credentials in Docker's `config.json`, as `docker login` stores them, and their
//! encoding for the header `X-Registry-Auth` (Engine API, "Authentication").

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// The value of `X-Registry-Auth`. A secret, therefore without `Debug`.
pub(crate) struct RegistryAuth(String);

impl RegistryAuth {
    pub(super) fn header(&self) -> &str {
        &self.0
    }
}

/// What `config.json` has for one registry.
pub(crate) enum Credentials {
    /// Nothing: requests are anonymous.
    None,
    /// Stored by `docker login`.
    Stored(RegistryAuth),
    /// Only `docker-credential-<name>` has them.
    Helper(String),
}

/// The name of the file in Docker's configuration directory.
pub(crate) const FILE: &str = "config.json";

/// The host in the key of Docker Hub's credentials.
const HUB: &str = "index.docker.io";

/// Looks up the registry `host[:port]` in the text of a `config.json`. A stored entry has
/// precedence over a credential helper, which ecs-init does not run.
///
/// # Errors
/// [`InvalidInput`](crate::error::Kind::InvalidInput); the message has nothing of the file's
/// content.
pub(crate) fn find(text: &[u8], host: &str) -> Result<Credentials> {
    let host = if host == "docker.io" { HUB } else { host };
    let file = parse(text)?;
    let entry = (file["auths"].as_object().into_iter().flatten())
        .find(|(key, _)| host_of(key) == host)
        .map(|(_, entry)| entry);
    if let Some(auth) = entry
        .and_then(|e| e["auth"].as_str())
        .filter(|a| !a.is_empty())
    {
        let (user, password) = decode(auth).ok_or_else(|| {
            let context = format!(
                "the auth of {host} is not \"user:password\" in base64; run docker login again"
            );
            Error::invalid(context)
        })?;
        let token = entry.and_then(|e| e["identitytoken"].as_str());
        let auth = match token.filter(|t| !t.is_empty()) {
            Some(token) => json!({"identitytoken": token, "serveraddress": host}),
            None => json!({"username": user, "password": password, "serveraddress": host}),
        };
        let auth = URL_SAFE.encode(auth.to_string());
        return Ok(Credentials::Stored(RegistryAuth(auth)));
    }
    let helper = file["credHelpers"][host].as_str();
    Ok(match helper.or_else(|| file["credsStore"].as_str()) {
        Some(name) if !name.is_empty() => Credentials::Helper(name.to_owned()),
        _ => Credentials::None,
    })
}

/// The registries whose credentials are stored in the text of a `config.json`, sorted.
///
/// # Errors
/// As [`find`].
pub(crate) fn stored_hosts(text: &[u8]) -> Result<Vec<String>> {
    let file = parse(text)?;
    let secret = |entry: &Value| {
        ["auth", "password", "identitytoken", "registrytoken"]
            .iter()
            .any(|key| entry[key].as_str().is_some_and(|secret| !secret.is_empty()))
    };
    let entries = file["auths"].as_object().into_iter().flatten();
    let mut hosts: Vec<_> = entries
        .filter(|(_, entry)| secret(entry))
        .map(|(key, _)| host_of(key).to_owned())
        .collect();
    hosts.sort();
    hosts.dedup();
    Ok(hosts)
}

/// Not `serde_json`'s message, which may quote the file.
fn parse(text: &[u8]) -> Result<Value> {
    serde_json::from_slice(text).map_err(|e| {
        let context = format!("not JSON (line {}, column {})", e.line(), e.column());
        Error::invalid(context)
    })
}

/// The host of a key: old versions of Docker wrote URLs.
fn host_of(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, host: &str) -> Option<Value> {
        match find(text.as_bytes(), host).unwrap() {
            Credentials::Stored(auth) => {
                let json = URL_SAFE.decode(auth.header()).unwrap();
                Some(serde_json::from_slice(&json).unwrap())
            }
            Credentials::Helper(name) => Some(Value::String(name)),
            Credentials::None => None,
        }
    }

    /// `printf 'ann:a:b?>' | base64` is `YW5uOmE6Yj8+`.
    const TEXT: &str = r#"{
        "auths": {
            "r.example:5000": {"auth": "YW5uOmE6Yj8+"},
            "https://index.docker.io/v1/": {"auth": "YW5uOmE6Yj8+", "identitytoken": "t"},
            "empty.example": {}
        },
        "credHelpers": {"helped.example": "ecr-login"}
    }"#;

    #[test]
    fn credentials_by_host() {
        let expected = json!({"username": "ann", "password": "a:b?>",
            "serveraddress": "r.example:5000"});
        assert_eq!(found(TEXT, "r.example:5000"), Some(expected));
        let hub = json!({"identitytoken": "t", "serveraddress": HUB});
        assert_eq!(found(TEXT, "docker.io"), Some(hub));
        for none in ["r.example", "r.example:5001", "empty.example", "example"] {
            assert_eq!(found(TEXT, none), None, "{none}");
        }
        assert_eq!(found(TEXT, "helped.example"), Some("ecr-login".into()));
        let store = r#"{"auths": {"a.b": {}}, "credsStore": "pass"}"#;
        assert_eq!(found(store, "a.b"), Some("pass".into()));
        assert_eq!(found("{}", "a.b"), None);
    }

    #[test]
    fn hosts_with_stored_credentials() {
        let hosts = stored_hosts(TEXT.as_bytes()).unwrap();
        assert_eq!(hosts, [HUB, "r.example:5000"]);
        assert!(stored_hosts(b"{}").unwrap().is_empty());
        assert!(stored_hosts(b"auth").is_err());
    }

    #[test]
    fn error_does_not_contain_secret() {
        for text in [
            r#"{"auths": {"r": {"auth": "c2VjcmV0"}}}"#,
            r#"{"auths": {"r": {"auth": "secret"}}}"#,
            r#"{"auths": {"r": {"auth": "secret""#,
        ] {
            let error = find(text.as_bytes(), "r").err().expect(text).to_string();
            assert!(
                !error.contains("secret") && !error.contains("c2Vj"),
                "{error}"
            );
        }
    }
}
