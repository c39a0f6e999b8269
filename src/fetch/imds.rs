//! The EC2 instance metadata service, version 2 ("Use the Instance Metadata Service" in the EC2
//! User Guide): a PUT request returns a token, GET requests with it return the values. The address
//! is link-local, therefore no proxy is used and the time limits are short.

use std::time::Duration;

use crate::config::{Config, WebConfig, value};
use crate::error::{Error, Result};
use crate::http::url::redact;
use crate::http::{Client, Response, Timeouts};
use crate::retry::{RetryLimit, RetryPolicy};
use crate::sys::signal::Stop;

/// The advice in errors about an unknown region.
const SET_REGION: &str = "set AWS_REGION in /etc/ecs/ecs.config or in the environment";
/// The maximum number of attempts: the service may start shortly after this program.
pub(super) const ATTEMPTS: u32 = 4;
/// The largest response, in bytes. The longest one, a role's credentials, has about 2000.
const SIZE_LIMIT: u64 = 16 * 1024;

/// The time limits of one attempt.
const TIMEOUTS: Timeouts = Timeouts {
    resolve: Duration::from_secs(1),
    connect: Duration::from_secs(1),
    send: Duration::from_secs(1),
    head: Duration::from_secs(2),
    read: Duration::from_secs(2),
    total: Some(Duration::from_secs(2)),
};

/// The configured region, otherwise the region in IMDS. Has no default: a wrong region would fail
/// later, with a worse message.
///
/// # Errors
/// The region is not configured, and IMDS is disabled or did not return it.
pub fn region(config: &Config, stop: &Stop) -> Result<String> {
    if let Some(region) = &config.region {
        return Ok((**region).clone());
    }
    let unknown = |why: &str| {
        let message = format!("the region is unknown: {why}; {SET_REGION}");
        Error::invalid(message)
    };
    if config.external {
        return Err(unknown("ECS_EXTERNAL=true: the host is outside EC2"));
    }
    if config.web.imds_disabled {
        return Err(unknown("AWS_EC2_METADATA_DISABLED=true disables IMDS"));
    }
    let region = match get(config, "placement/region", ATTEMPTS, stop) {
        Err(error) if error.is_interrupted() => return Err(error),
        Err(error) => return Err(unknown(&error.to_string()).with_kind(error.kind())),
        Ok(region) => region,
    };
    let invalid = |why: &str| {
        let base = endpoint(&config.web);
        unknown(&format!("the response of IMDS at {} {why}", redact(&base)))
    };
    let region = match region.trim() {
        "" => return Err(invalid("is empty")),
        text => value::region(text).map_err(|why| invalid(&format!("is {why}")))?,
    };
    log::info!("region {region}, from IMDS");
    Ok(region)
}

/// The value of an item, given by its path below `/latest/meta-data/`. Makes at most `attempts`
/// attempts of up to 4 s each. The caller checks whether IMDS is disabled.
///
/// # Errors
/// IMDS did not return the item; [`Unavailable`](crate::error::Kind::Unavailable) if the instance does not have it.
pub fn get(config: &Config, item: &str, attempts: u32, stop: &Stop) -> Result<String> {
    let policy = RetryPolicy {
        first_pause: Duration::from_millis(250),
        max_pause: Duration::from_secs(15),
        jitter: (1.0, 1.0),
        limit: RetryLimit::Attempts(attempts),
    };
    let client = Client::direct(TIMEOUTS, stop)?;
    let base = endpoint(&config.web);
    policy.run(
        stop,
        |_| request(&client, &base, item),
        |error, pause| log::debug!("{error}; retrying in {} ms", pause.as_millis()),
    )
}

/// The base URL of IMDS. A configured endpoint overrides the configured mode.
pub fn endpoint(web: &WebConfig) -> String {
    match &web.imds_endpoint {
        Some(endpoint) => (**endpoint).clone(),
        None if web.imds_ipv6 => "http://[fd00:ec2::254]".into(),
        None => "http://169.254.169.254".into(),
    }
}

fn request(client: &Client, base: &str, item: &str) -> Result<String> {
    let token = client.put(
        &format!("{base}/latest/api/token"),
        &[("X-aws-ec2-metadata-token-ttl-seconds", "60")],
    )?;
    let token = text(token)?;
    let value = client.get(
        &format!("{base}/latest/meta-data/{item}"),
        &[("X-aws-ec2-metadata-token", token.trim())],
    )?;
    text(value)
}

fn text(response: Response) -> Result<String> {
    let body = response.require_ok()?.read_all(SIZE_LIMIT)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn config(environment: &[(&str, &str)]) -> Config {
        let all = environment.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Config::load(all).0
    }

    #[test]
    fn imds_endpoint_by_setting_and_mode() {
        for (environment, expected) in [
            (&[][..], "http://169.254.169.254"),
            (
                &[("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")],
                "http://[fd00:ec2::254]",
            ),
            (
                &[
                    ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6"),
                    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://h:1/"),
                ],
                "http://h:1",
            ),
        ] {
            assert_eq!(endpoint(&config(environment).web), expected);
        }
    }

    #[test]
    fn configured_region_needs_no_imds() {
        let set = config(&[("ECS_EXTERNAL", "true"), ("AWS_REGION", "eu-west-1")]);
        assert_eq!(region(&set, &Stop::never()).unwrap(), "eu-west-1");
    }

    #[test]
    fn unknown_region_error_names_the_settings() {
        for name in ["ECS_EXTERNAL", "AWS_EC2_METADATA_DISABLED"] {
            let error = region(&config(&[(name, "true")]), &Stop::never()).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput);
            let error = error.to_string();
            assert!(error.contains(name), "{error}");
            assert!(error.contains("set AWS_REGION"), "{error}");
        }
    }
}
