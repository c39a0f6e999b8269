//! Credentials in the configuration: every user of the image could read them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Report, Rule};
use crate::config::{self, file};
use crate::docker::credentials;

/// Variables of the agent, and options of log drivers in `ECS_LOG_OPTS`, whose values are
/// credentials.
const AGENT_SECRETS: [&str; 3] = ["ECS_ENGINE_AUTH_DATA", "splunk-token", "logentries-token"];

/// The names whose values are credentials.
fn secrets() -> impl Iterator<Item = &'static str> {
    config::secret_variables().chain(AGENT_SECRETS)
}

/// Checks these files, including comments, and what `docker login` stores in `docker_config`, the
/// directory of Docker's client configuration.
pub(super) fn check(report: &mut Report, files: &BTreeSet<PathBuf>, docker_config: &Path) {
    check_logins(report, &docker_config.join(credentials::FILE));
    for path in files {
        let Some(bytes) = report.read(path) else {
            continue;
        };
        // The agent's own configuration, ECS_AGENT_CONFIG_FILE_PATH.
        if path.extension().is_some_and(|e| e == "json") && has_engine_auth_data(&bytes) {
            let detail = "contains EngineAuthData, credentials of registries";
            report.add(path, Rule::Credential, detail);
        }
        for (line, (rule, what)) in in_text(&String::from_utf8_lossy(&bytes)) {
            report.add(path, rule, format!("line {line}: {what}"));
        }
    }
}

fn has_engine_auth_data(json: &[u8]) -> bool {
    let json: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    let mut entries = json.as_object().into_iter().flatten();
    // The agent's JSON decoder (Go) ignores the case of keys.
    entries.any(|(key, value)| {
        let matches = key.eq_ignore_ascii_case("EngineAuthData");
        matches && !value.is_null() && is_real(&value.to_string())
    })
}

fn check_logins(report: &mut Report, path: &Path) {
    let Some(bytes) = report.read(path) else {
        return;
    };
    // Docker ignores a file that is not JSON.
    let registries = credentials::stored_hosts(&bytes).unwrap_or_default();
    if !registries.is_empty() {
        report.add(path, Rule::RegistryLogin, registries.join(", "));
    }
}

/// The credentials in a text: for each line number, the rule and what was found.
fn in_text(text: &str) -> BTreeMap<usize, (Rule, String)> {
    let variable = |name: &str| {
        let is_aws = name.starts_with("AWS_");
        let rule = if is_aws {
            Rule::AwsKey
        } else {
            Rule::Credential
        };
        (rule, format!("sets {name}, a credential"))
    };
    let mut found = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if has_access_key(line) {
            let what = "contains an AWS access key ID".to_owned();
            found.insert(index + 1, (Rule::AwsKey, what));
        }
        // Anywhere in the line: in a comment, after `export`, after an open quote.
        for name in secrets() {
            let mut matches = line.match_indices(name);
            if matches.any(|(at, _)| value(&line[at + name.len()..]).is_some_and(is_real)) {
                found.insert(index + 1, variable(name));
            }
        }
    }
    // The value may be on the lines that follow.
    for assignment in file::parse(text).flatten() {
        let (name, value) = (assignment.name, assignment.value.as_str());
        if let Some(name) = secrets().find(|variable| *variable == name)
            && is_real(value)
        {
            found.insert(assignment.line, variable(name));
        }
        if has_password(name, value) {
            let what = format!("sets {name} to a URL with a password");
            found.insert(assignment.line, (Rule::Credential, what));
        }
    }
    found
}

/// The value after a name: `= value`, or in JSON, with or without quotes around it, `": value,`.
fn value(rest: &str) -> Option<&str> {
    match rest.trim_start_matches('\\').strip_prefix('"') {
        Some(json) => json.trim_start().strip_prefix(':')?.split(',').next(),
        None => rest.trim_start().strip_prefix('='),
    }
}

/// Whether a value is more than quotes, empty braces or a placeholder such as `<yours>`.
fn is_real(value: &str) -> bool {
    let is_delimiter = |c: char| c.is_whitespace() || r#"{}"'\"#.contains(c);
    let value = value.trim_matches(is_delimiter);
    !(value.is_empty() || value.starts_with('<') && value.ends_with('>'))
}

/// `AKIA` (of a user) or `ASIA` (of a session) and 16 more characters: "IAM identifiers" in the IAM
/// User Guide.
fn has_access_key(line: &str) -> bool {
    let word = |b: &u8| b.is_ascii_alphanumeric();
    let bytes = line.as_bytes();
    ["AKIA", "ASIA"].iter().any(|prefix| {
        line.match_indices(prefix).any(|(at, _)| {
            let rest = bytes.get(at + 4..at + 20).unwrap_or_default();
            rest.len() == 16
                && rest
                    .iter()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
                && !bytes[..at].last().is_some_and(word)
                && !bytes.get(at + 20).is_some_and(word)
        })
    })
}

/// Whether the value is a URL with `user:password@`. In a proxy's variable the scheme may be
/// missing.
fn has_password(name: &str, value: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let rest = match value.split_once("://") {
        Some((_, rest)) => rest,
        None if name.ends_with("_PROXY") && name != "NO_PROXY" => value,
        None => return false,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_recognized() {
        for (line, secret) in [
            ("AWS_ACCESS_KEY_ID=x", true),
            ("AWS_SECRET_ACCESS_KEY='x'", true),
            ("# export AWS_SECRET_ACCESS_KEY=x", true),
            ("AWS_SESSION_TOKEN=\"open", true),
            ("AWS_SESSION_TOKEN=\"x\"", true),
            ("AWS_SESSION_TOKEN=", false),
            ("ECS_ENGINE_AUTH_DATA={\"r\":{}}", true),
            ("AWS_SECRET_ACCESS_KEY=\"\nx\"", true),
            ("AWS_SECRET_ACCESS_KEY=\\\nx", true),
            ("# AWS_SESSION_TOKEN= was AWS_SESSION_TOKEN=x", true),
            ("# AWS_ACCESS_KEY_ID=<yours>", false),
            ("# AWS_SESSION_TOKEN: never here", false),
            ("Environment=AWS_SECRET_ACCESS_KEY=x", true),
            ("Environment=\"AWS_SECRET_ACCESS_KEY=x\" \"A=1\"", true),
            ("ECS_ENGINE_AUTH_DATA={}", false),
            ("ECS_ENGINE_AUTH_DATA='{ }'", false),
            ("ECS_LOG_OPTS={\"splunk-token\":\"x\"}", true),
            (
                "ECS_LOG_OPTS='{\"a\": \"b\", \"logentries-token\": \"x\"}'",
                true,
            ),
            (r#"ECS_LOG_OPTS="{\"splunk-token\":\"x\"}""#, true),
            (
                "ECS_LOG_OPTS={\"splunk-token\":\"\",\"splunk-url\":\"x\"}",
                false,
            ),
            ("ECS_ENGINE_AUTH_TYPE=docker", false),
            ("HTTP_PROXY=http://u:p@proxy:3128", true),
            ("https_proxy=u:p@proxy:3128", true),
            ("HTTP_PROXY=u@proxy:3128", false),
            ("HTTP_PROXY=http://proxy:3128/", false),
            ("HTTP_PROXY=http://proxy:3128/a@b", false),
            ("NO_PROXY=a:b@c", false),
            ("ECS_INIT_MIRROR=https://u:p@mirror/", true),
            ("ECS_CLUSTER=a:b@c", false),
            ("# was AKIAIOSFODNN7EXAMPLE", true),
            ("no assignment ASIAIOSFODNN7EXAMPLE", true),
            ("X=AKIAIOSFODNN7EXAMPL", false),
            ("X=AKIAIOSFODNN7EXAMPLEX", false),
            ("X=xAKIAIOSFODNN7EXAMPLE", false),
            ("X=AKIAiosfodnn7example", false),
            ("X=\u{e9}AKIAIOSFODNN7EXAMPLE\u{e9}", true),
        ] {
            let found = in_text(&format!("# first\n{line}\n"));
            assert_eq!(found.len(), usize::from(secret), "{line}: {found:?}");
            assert!(found.keys().all(|number| *number == 2), "{line}: {found:?}");
        }
    }
}
