//! The credentials with which S3 is asked: those of the process's environment, else those that the
//! SSM agent keeps on a host outside EC2, else those of the instance's role.

use serde_json::Value;

use super::imds;
use super::retry::{Verdict, verdict};
use super::trouble::Trouble;
use crate::config::{AwsCredentials, Config, S3Layer};
use crate::error::{Error, Kind, Result};
use crate::host::ROTATING_CREDENTIALS;
use crate::http::url::redact;
use crate::sys::signal::Stop;

/// Below `latest/meta-data/`: the role's name, and with it at the end the role's credentials
/// ("Retrieve security credentials from instance metadata" in the EC2 User Guide).
const ROLE: &str = "iam/security-credentials/";

/// Why something was not had.
#[derive(Debug)]
pub enum Missed {
    /// Nobody could be asked; what was had before may still be right.
    Unreached(Error),
    /// The answer was no, or is of no use.
    Refused(Error),
}

impl Missed {
    /// Sorts the trouble with a request; `doing` is what was asked for.
    pub fn new(trouble: Trouble, doing: impl Into<String>) -> Missed {
        let refused = match &trouble {
            Trouble::Web(_) => verdict(&trouble) == Verdict::Fatal,
            other => verdict(other) != Verdict::Retry,
        };
        let error = Error::from(trouble);
        let error = Error::with_source(error.kind(), doing, error);
        if refused {
            Missed::Refused(error)
        } else {
            Missed::Unreached(error)
        }
    }

    fn refused(why: impl Into<String>) -> Missed {
        Missed::Refused(Error::new(Kind::InvalidInput, why))
    }
}

impl From<Missed> for Error {
    fn from(missed: Missed) -> Error {
        let (Missed::Unreached(error) | Missed::Refused(error)) = missed;
        error
    }
}

/// Credentials, from the first place that should have them.
///
/// # Errors
/// That it has none, and how it could have.
pub fn credentials(layer: &S3Layer, stop: &Stop) -> Result<AwsCredentials, Missed> {
    let config = &*layer.base;
    if let Some(keys) = &layer.credentials {
        log::debug!("credentials: those of the environment");
        return Ok(keys.clone());
    }
    if config.external {
        return of_file(config);
    }
    if config.web.imds_disabled {
        return Err(Missed::refused(
            "no credentials: AWS_EC2_METADATA_DISABLED=true forbids to ask for the role's, and \
             AWS_ACCESS_KEY_ID is not in the environment",
        ));
    }
    of_role(config, stop)
}

fn of_role(config: &Config, stop: &Stop) -> Result<AwsCredentials, Missed> {
    let ask = |item: &str, what: &str| {
        imds::read(config, item, imds::TRIES, stop).map_err(|trouble| match trouble {
            Trouble::Status(404) => Missed::refused(
                "no credentials: the instance has no role; attach an instance profile whose role \
                 allows s3:GetObject on the object",
            ),
            other => Missed::new(
                other,
                format!(
                    "ask the instance metadata service at {} for {what} (outside EC2 set \
                     ECS_EXTERNAL=true, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the \
                     environment)",
                    redact(&imds::endpoint(&config.web))
                ),
            ),
        })
    };
    let role = ask(ROLE, "the instance's role")?;
    let role = role.lines().next().unwrap_or_default().trim();
    let answer = ask(&format!("{ROLE}{role}"), "the role's credentials")?;
    let keys = read_answer(&answer)
        .map_err(|why| Missed::refused(format!("no credentials of the role {role}: {why}")))?;
    log::debug!("credentials: those of the role {role}");
    Ok(keys)
}

/// IMDS's answer. What is in it is never repeated.
fn read_answer(text: &str) -> Result<AwsCredentials, String> {
    let answer: Value =
        serde_json::from_str(text).map_err(|_| "the answer of IMDS is no JSON".to_owned())?;
    let get = |name: &str| answer[name].as_str().filter(|v| !v.is_empty());
    if let Some(code) = get("Code").filter(|code| *code != "Success") {
        return Err(format!(
            "IMDS says {}; is the role still there, and does it trust ec2.amazonaws.com?",
            code.escape_debug()
        ));
    }
    let need = |name: &str| {
        get(name)
            .map(str::to_owned)
            .ok_or_else(|| format!("the answer of IMDS has no {name}"))
    };
    Ok(AwsCredentials {
        id: need("AccessKeyId")?,
        secret: need("SecretAccessKey")?,
        token: Some(need("Token")?),
    })
}

fn of_file(config: &Config) -> Result<AwsCredentials, Missed> {
    let path = config.root.at(ROTATING_CREDENTIALS).join("credentials");
    let text = std::fs::read_to_string(&path).map_err(|e| {
        let doing = format!(
            "read the credentials that ECS_EXTERNAL=true says are in {} (the SSM agent makes it)",
            path.display()
        );
        Missed::Refused(Error::with_source(Kind::InvalidInput, doing, e))
    })?;
    let keys = read_profile(&text).ok_or_else(|| {
        Missed::refused(format!(
            "{}: no aws_access_key_id and aws_secret_access_key below [default]",
            path.display()
        ))
    })?;
    log::debug!("credentials: those of {}", path.display());
    Ok(keys)
}

/// The profile `default` of a shared credentials file ("Shared config and credentials files" in
/// the AWS SDKs and Tools Reference Guide).
fn read_profile(text: &str) -> Option<AwsCredentials> {
    let mut ours = false;
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            ours = line.trim_matches(['[', ']']).trim() == "default";
        } else if let Some((name, value)) = line.split_once('=').filter(|_| ours) {
            let value = Some(value.trim().to_owned()).filter(|v| !v.is_empty());
            match name.trim() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    Some(AwsCredentials {
        id: id?,
        secret: secret?,
        token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roles_answer_is_read_and_never_repeated() {
        let answer = r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIA1",
            "SecretAccessKey":"geheim","Token":"t//=","Expiration":"2026-11-23T02:00:00Z"}"#;
        let keys = read_answer(answer).unwrap();
        let got = (&*keys.id, &*keys.secret, keys.token.as_deref());
        assert_eq!(got, ("ASIA1", "geheim", Some("t//=")));
        for (bad, what) in [
            (
                answer.replace("Success", "AssumeRoleUnauthorizedAccess"),
                "AssumeRoleUnauthorized",
            ),
            (answer.replace("\"Token\"", "\"x\""), "no Token"),
            (answer.replace('{', ""), "no JSON"),
            (answer.replace("\"geheim\"", "7"), "no SecretAccessKey"),
        ] {
            let why = read_answer(&bad).unwrap_err();
            assert!(why.contains(what) && !why.contains("geheim"), "{why}");
        }
    }

    #[test]
    fn the_default_profile_is_read() {
        let file = "# made by SSM\r\n[other]\naws_access_key_id = NO\naws_secret_access_key=NO\n\
                    [ default ]\r\naws_access_key_id = ASIA2\r\naws_secret_access_key=a/b+c=\n\
                    aws_session_token = T=\n[third]\naws_session_token = NO\n";
        let keys = read_profile(file).unwrap();
        let got = (&*keys.id, &*keys.secret, keys.token.as_deref());
        assert_eq!(got, ("ASIA2", "a/b+c=", Some("T=")));
        assert!(read_profile(&file.replace("ASIA2", "")).is_none());
        assert!(read_profile("aws_access_key_id=x\naws_secret_access_key=y").is_none());
    }
}
