//! Credentials in the configuration: whoever gets the image gets them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Report;
use crate::config::{self, file};
use crate::docker::credentials;

const USER_DATA: &str = "take it out, and let user data write it or ECS_INIT_CONFIG_S3 fetch it when an instance starts";
const ROLE: &str = "delete the line, and give the instance a role";

/// Variables, and options of log drivers in `ECS_LOG_OPTS`, that are credentials, whatever their
/// value.
fn secrets() -> impl Iterator<Item = (&'static str, &'static str)> {
    let own = config::secret_variables().map(|name| (name, ROLE));
    own.chain(AGENT_SECRETS)
}

/// Those that only the agent reads.
const AGENT_SECRETS: [(&str, &str); 3] = [
    ("ECS_ENGINE_AUTH_DATA", USER_DATA),
    ("splunk-token", USER_DATA),
    ("logentries-token", USER_DATA),
];

/// Looks through these files, comments and all, and through what `docker login` leaves in
/// `docker`, the directory of Docker's own configuration.
pub fn check(report: &mut Report, files: &BTreeSet<PathBuf>, docker: &Path) {
    logins(report, &docker.join(credentials::FILE));
    for path in files {
        let bytes = report.tree.read(path);
        let Some(bytes) = report.known(path, bytes) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        if path.extension().is_some_and(|e| e == "json") {
            // The agent's own configuration, ECS_AGENT_CONFIG_FILE_PATH.
            let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let mut entries = json.as_object().into_iter().flatten();
            // Go's encoding/json takes a key in any case.
            let secret = |(key, value): (&String, &serde_json::Value)| {
                let is_it = key.eq_ignore_ascii_case("EngineAuthData");
                is_it && !value.is_null() && says(&value.to_string())
            };
            if entries.any(secret) {
                report.add(
                    path,
                    "has EngineAuthData, a registry's credentials",
                    USER_DATA,
                );
            }
        }
        for (line, (what, mend)) in in_text(&text) {
            report.add(path, format!("line {line} {what}"), mend);
        }
    }
}

fn logins(report: &mut Report, path: &Path) {
    let bytes = report.tree.read(path);
    let Some(bytes) = report.known(path, bytes) else {
        return;
    };
    // What is no JSON logs nobody in.
    let stored = credentials::stored_hosts(&bytes).unwrap_or_default();
    if !stored.is_empty() {
        let what = format!("has the credentials of {}", stored.join(", "));
        report.add(
            path,
            what,
            "`docker logout`, and let user data log in when an instance starts",
        );
    }
}

/// By the line's number: what it gives away, and how to mend that. Never the value.
fn in_text(text: &str) -> BTreeMap<usize, (String, &'static str)> {
    let mut found = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if has_access_key(line) {
            found.insert(index + 1, ("has an AWS access key ID".to_owned(), ROLE));
        }
        // Wherever it stands: a comment, after `export`, with a quote that is open.
        for (name, mend) in secrets() {
            let mut places = line.match_indices(name);
            if places.any(|(at, _)| value(&line[at + name.len()..]).is_some_and(says)) {
                found.insert(index + 1, (format!("sets {name}, a credential"), mend));
            }
        }
    }
    for assignment in file::parse(text).flatten() {
        let (name, value) = (assignment.name, assignment.value.as_str());
        // Which may begin on the next line.
        let secret = secrets().find(|(secret, _)| *secret == name);
        if let Some((_, mend)) = secret.filter(|_| says(value)) {
            found.insert(
                assignment.line,
                (format!("sets {name}, a credential"), mend),
            );
        }
        if has_password(name, value) {
            let what = format!("sets {name} to a URL with a password");
            found.insert(assignment.line, (what, USER_DATA));
        }
    }
    found
}

/// What is assigned behind a name: `= value`, or in JSON, itself in quotes or not, `": value,`.
fn value(rest: &str) -> Option<&str> {
    match rest.trim_start_matches('\\').strip_prefix('"') {
        Some(json) => json.trim_start().strip_prefix(':')?.split(',').next(),
        None => rest.trim_start().strip_prefix('='),
    }
}

/// Whether a value says anything: nothing but quotes and empty braces does not, nor does
/// `<yours>`, which stands for one.
fn says(value: &str) -> bool {
    let around = |c: char| c.is_whitespace() || r#"{}"'\"#.contains(c);
    let value = value.trim_matches(around);
    !(value.is_empty() || value.starts_with('<') && value.ends_with('>'))
}

/// `AKIA` (a user's) or `ASIA` (a session's) and 16 characters more: "IAM identifiers", IAM User
/// Guide.
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

/// Whether a URL, or what a proxy's variable holds in its place, has `user:password@`.
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
    fn what_is_a_credential_and_what_is_not() {
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
