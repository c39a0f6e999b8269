//! A registry's credentials out of Docker's own `config.json`, as `docker login` leaves them, for
//! the header `X-Registry-Auth` (Engine API, "Authentication"). Pure.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Value, json};

/// What `X-Registry-Auth` says. Secret: it has no `Debug`, and nothing prints it.
pub struct RegistryAuth(String);

impl RegistryAuth {
    pub(super) fn header(&self) -> &str {
        &self.0
    }
}

/// What the file has for a registry.
pub enum Credentials {
    /// Nothing: the registry is asked without.
    None,
    /// What `docker login` stored.
    Stored(RegistryAuth),
    /// They are a program's to tell, `docker-credential-<name>`.
    Helper(String),
}

/// The file's name, in Docker's directory of configuration.
pub const FILE: &str = "config.json";

/// The key of Docker Hub's credentials, by its host.
const HUB: &str = "index.docker.io";

/// What the text of a `config.json` has for the registry at `host` (with its port, if it has one).
/// An entry that is stored here comes before a helper, which we do not run.
///
/// # Errors
/// What is wrong with the file, without a word of its contents.
pub fn find(text: &[u8], host: &str) -> Result<Credentials, String> {
    let host = if host == "docker.io" { HUB } else { host };
    let file: Value = serde_json::from_slice(text)
        .map_err(|e| format!("is no JSON (line {}, column {})", e.line(), e.column()))?;
    let entry = (file["auths"].as_object().into_iter().flatten())
        .find(|(key, _)| host_of(key) == host)
        .map(|(_, entry)| entry);
    if let Some(auth) = entry
        .and_then(|e| e["auth"].as_str())
        .filter(|a| !a.is_empty())
    {
        let (user, password) = decode(auth).ok_or_else(|| {
            format!("the auth of {host} is not the base64 of \"user:password\": log in anew")
        })?;
        let token = entry.and_then(|e| e["identitytoken"].as_str());
        let said = match token.filter(|t| !t.is_empty()) {
            Some(token) => json!({"identitytoken": token, "serveraddress": host}),
            None => json!({"username": user, "password": password, "serveraddress": host}),
        };
        let auth = URL_SAFE.encode(said.to_string());
        return Ok(Credentials::Stored(RegistryAuth(auth)));
    }
    let helper = file["credHelpers"][host].as_str();
    Ok(match helper.or_else(|| file["credsStore"].as_str()) {
        Some(name) if !name.is_empty() => Credentials::Helper(name.to_owned()),
        _ => Credentials::None,
    })
}

/// The registries whose credentials are in the text of a `config.json` itself, sorted.
///
/// # Errors
/// It is no JSON.
pub fn stored(text: &[u8]) -> serde_json::Result<Vec<String>> {
    let file: Value = serde_json::from_slice(text)?;
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

/// The host of a key: older Dockers wrote URLs.
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
    fn by_host_and_in_the_engines_form() {
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
    fn whose_are_stored() {
        let hosts = stored(TEXT.as_bytes()).unwrap();
        assert_eq!(hosts, [HUB, "r.example:5000"]);
        assert!(stored(b"{}").unwrap().is_empty());
        assert!(stored(b"auth").is_err());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for text in [
            r#"{"auths": {"r": {"auth": "c2VjcmV0"}}}"#,
            r#"{"auths": {"r": {"auth": "secret"}}}"#,
            r#"{"auths": {"r": {"auth": "secret""#,
        ] {
            let why = find(text.as_bytes(), "r").err().expect(text);
            assert!(!why.contains("secret") && !why.contains("c2Vj"), "{why}");
        }
    }
}
