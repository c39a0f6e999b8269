//! The AWS credentials for requests to S3: from the process's environment, otherwise from the SSM
//! agent's file on a host outside EC2, otherwise those of the instance's role.

use serde_json::Value;

use super::imds;
use crate::config::{AwsCredentials, Config, S3Layer};
use crate::error::{Error, Kind, Result};
use crate::fs::ini;
use crate::host::ROTATING_CREDENTIALS;
use crate::http::HttpError;
use crate::http::url::redact;
use crate::sys::signal::Stop;

/// Below `/latest/meta-data/`: returns the role's name, and with the name appended its credentials
/// ("Retrieve security credentials from instance metadata" in the EC2 User Guide).
const ROLE: &str = "iam/security-credentials/";

/// The credentials of the first source that applies to the configuration.
///
/// # Errors
/// The source has no credentials; the message says how to provide them. [`Kind::Unavailable`] if
/// IMDS did not answer.
pub fn credentials(layer: &S3Layer, stop: &Stop) -> Result<AwsCredentials> {
    let config = &*layer.base;
    if let Some(keys) = &layer.credentials {
        log::debug!("credentials: from the environment");
        return Ok(keys.clone());
    }
    if config.external {
        return from_file(config);
    }
    if config.web.imds_disabled {
        return Err(rejected(
            "no credentials: AWS_EC2_METADATA_DISABLED=true disables IMDS, and AWS_ACCESS_KEY_ID \
             is not in the environment",
        ));
    }
    from_role(config, stop)
}

fn rejected(message: impl Into<String>) -> Error {
    Error::new(Kind::Rejected, message)
}

fn from_role(config: &Config, stop: &Stop) -> Result<AwsCredentials> {
    let get = |item: &str, what: &str| {
        imds::get(config, item, imds::ATTEMPTS, stop).map_err(|error| {
            let kind = match (error.kind(), error.find::<HttpError>()) {
                (Kind::Interrupted, _) => return error,
                (_, Some(HttpError::Status(404))) => {
                    return rejected(
                        "no credentials: the instance has no role; attach an instance profile \
                         whose role allows s3:GetObject on the object",
                    );
                }
                (Kind::Transient, _) => Kind::Unavailable,
                (_, Some(HttpError::Status(_)) | None) => Kind::Rejected,
                _ => Kind::Unavailable,
            };
            let message = format!(
                "cannot get {what} from IMDS at {} (outside EC2, set ECS_EXTERNAL=true, or \
                 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment)",
                redact(&imds::endpoint(&config.web))
            );
            Error::with_source(kind, message, error)
        })
    };
    let role = get(ROLE, "the instance's role")?;
    let role = role.lines().next().unwrap_or_default().trim();
    let response = get(&format!("{ROLE}{role}"), "the role's credentials")?;
    let keys = parse_response(&response).map_err(|error| {
        let message = format!("no credentials of the role {role}");
        Error::with_source(Kind::Rejected, message, error)
    })?;
    log::debug!("credentials: of the role {role}");
    Ok(keys)
}

/// Parses IMDS's response. Errors do not contain its values.
fn parse_response(text: &str) -> Result<AwsCredentials> {
    let response: Value =
        serde_json::from_str(text).map_err(|_| rejected("the response of IMDS is not JSON"))?;
    let get = |name: &str| response[name].as_str().filter(|v| !v.is_empty());
    if let Some(code) = get("Code").filter(|code| *code != "Success") {
        return Err(rejected(format!(
            "IMDS returned the code {}: check that the role exists and trusts ec2.amazonaws.com",
            code.escape_debug()
        )));
    }
    let require = |name: &str| {
        let value = get(name).map(str::to_owned);
        value.ok_or_else(|| rejected(format!("the response of IMDS has no {name}")))
    };
    Ok(AwsCredentials {
        id: require("AccessKeyId")?,
        secret: require("SecretAccessKey")?,
        token: Some(require("Token")?),
    })
}

fn from_file(config: &Config) -> Result<AwsCredentials> {
    let path = config.root.at(ROTATING_CREDENTIALS).join("credentials");
    let text = std::fs::read_to_string(&path).map_err(|e| {
        let message = format!(
            "cannot read the credentials in {}, which the SSM agent creates (ECS_EXTERNAL=true)",
            path.display()
        );
        Error::with_source(Kind::Rejected, message, e)
    })?;
    let keys = default_profile(&text).ok_or_else(|| {
        rejected(format!(
            "{}: no aws_access_key_id and aws_secret_access_key in the section [default]",
            path.display()
        ))
    })?;
    log::debug!("credentials: from {}", path.display());
    Ok(keys)
}

/// The profile `default` of a shared credentials file ("Shared config and credentials files" in
/// the AWS SDKs and Tools Reference Guide).
fn default_profile(text: &str) -> Option<AwsCredentials> {
    let get = |key| {
        let value = ini::entries(text)
            .filter(|entry| entry.section == "default" && entry.key == key)
            .last()?
            .value;
        (!value.is_empty()).then(|| value.to_owned())
    };
    Some(AwsCredentials {
        id: get("aws_access_key_id")?,
        secret: get("aws_secret_access_key")?,
        token: get("aws_session_token"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_credentials_are_parsed_and_not_in_errors() {
        let response = r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIA1",
            "SecretAccessKey":"s3cr3t","Token":"t//=","Expiration":"2026-11-23T02:00:00Z"}"#;
        let keys = parse_response(response).unwrap();
        let got = (&*keys.id, &*keys.secret, keys.token.as_deref());
        assert_eq!(got, ("ASIA1", "s3cr3t", Some("t//=")));
        for (bad, what) in [
            (
                response.replace("Success", "AssumeRoleUnauthorizedAccess"),
                "AssumeRoleUnauthorized",
            ),
            (response.replace("\"Token\"", "\"x\""), "no Token"),
            (response.replace('{', ""), "not JSON"),
            (response.replace("\"s3cr3t\"", "7"), "no SecretAccessKey"),
        ] {
            let error = parse_response(&bad).unwrap_err().to_string();
            assert!(error.contains(what) && !error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn default_profile_is_parsed() {
        let file = "# made by SSM\r\n[other]\naws_access_key_id = NO\naws_secret_access_key=NO\n\
                    [ default ]\r\naws_access_key_id = ASIA2\r\naws_secret_access_key=a/b+c=\n\
                    aws_session_token = T=\n[third]\naws_session_token = NO\n";
        let keys = default_profile(file).unwrap();
        let got = (&*keys.id, &*keys.secret, keys.token.as_deref());
        assert_eq!(got, ("ASIA2", "a/b+c=", Some("T=")));
        assert!(default_profile(&file.replace("ASIA2", "")).is_none());
        assert!(default_profile("aws_access_key_id=x\naws_secret_access_key=y").is_none());
    }
}
