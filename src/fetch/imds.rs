//! What the EC2 instance metadata service knows, version 2 ("Use the Instance Metadata Service" in
//! the EC2 User Guide): a token by PUT, then the value by GET. Above all, which region the instance
//! is in. The service is link-local: never through a proxy, and the time-outs are short because it
//! is near or not there at all.

use std::time::Duration;

use super::download::pause_or_stop;
use super::retry::{Verdict, verdict};
use super::trouble::Trouble;
use crate::config::{Config, WebConfig, value};
use crate::error::{Error, Kind, Result};
use crate::http::url::redact;
use crate::http::web::{Limits, Web};
use crate::sys::signal::Stop;

/// How the region can be given instead.
const SET: &str = "set AWS_REGION in /etc/ecs/ecs.config or in the environment";
/// So often is it asked; it may come up a moment after us.
pub(crate) const TRIES: u32 = 4;
/// The pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest answer are a role's credentials, of two kilobytes or so.
const ANSWER_LIMIT: u64 = 16 * 1024;

/// One try: 1 s to connect, 2 s in all.
const LIMITS: Limits = Limits {
    resolve: Duration::from_secs(1),
    connect: Duration::from_secs(1),
    send: Duration::from_secs(1),
    head: Duration::from_secs(2),
    read: Duration::from_secs(2),
    total: Some(Duration::from_secs(2)),
};

/// The region: as it was set, else as IMDS says. There is no default: a wrong region would work
/// until the day when it does not.
///
/// # Errors
/// If it is not set and cannot be asked for; says how to set it.
pub fn region(config: &Config, stop: &Stop) -> Result<String> {
    if let Some(region) = &config.region {
        return Ok((**region).clone());
    }
    if config.external {
        return Err(Error::new(
            Kind::InvalidInput,
            format!(
                "the region is not known: ECS_EXTERNAL=true says that the host is outside EC2; {SET}"
            ),
        ));
    }
    if config.web.imds_disabled {
        return Err(Error::new(
            Kind::InvalidInput,
            format!(
                "the region is not known: AWS_EC2_METADATA_DISABLED=true forbids to ask; {SET}"
            ),
        ));
    }
    let base = endpoint(&config.web);
    let unknown = |why: &str| {
        Error::new(
            Kind::InvalidInput,
            format!(
                "the region is not known: the instance metadata service at {} did not tell: {why}; \
             {SET}",
                redact(&base)
            ),
        )
    };
    let region = read(config, "placement/region", TRIES, stop);
    let region = region.map_err(|trouble| match Error::from(trouble) {
        stopped if stopped.is_interrupted() => stopped,
        why => unknown(&why.to_string()),
    })?;
    let region = match region.trim() {
        "" => return Err(unknown("its answer is empty")),
        text => value::region(text).map_err(|why| unknown(&format!("its answer is {why}")))?,
    };
    log::info!("the region is {region}, says the instance metadata service");
    Ok(region)
}

/// One item by its path below `/latest/meta-data/`; asked for `tries` times as long as that may
/// help, each of which may take 4 s. Whether the service may be asked at all is the caller's to
/// know.
///
/// # Errors
/// Why there is no answer; an item that the instance does not have is [`Trouble::Status`] 404.
pub fn read(config: &Config, item: &str, tries: u32, stop: &Stop) -> Result<String, Trouble> {
    let web = Web::direct(LIMITS, stop.clone()).map_err(Trouble::Local)?;
    persist(&web, &endpoint(&config.web), item, tries, stop)
}

/// Where IMDS is. An endpoint that was set wins over the mode.
#[must_use]
pub fn endpoint(web: &WebConfig) -> String {
    match &web.imds_endpoint {
        Some(endpoint) => (**endpoint).clone(),
        None if web.imds_ipv6 => "http://[fd00:ec2::254]".into(),
        None => "http://169.254.169.254".into(),
    }
}

/// Asks, and asks again as long as that may help.
fn persist(web: &Web, base: &str, path: &str, tries: u32, stop: &Stop) -> Result<String, Trouble> {
    let mut wait = PAUSE;
    for _ in 1..tries {
        match ask(web, base, path) {
            Err(trouble) if verdict(&trouble) == Verdict::Retry => {
                log::debug!(
                    "instance metadata: {trouble}; again in {} ms",
                    wait.as_millis()
                );
                pause_or_stop(stop, wait)?;
                wait *= 2;
            }
            done => return done,
        }
    }
    ask(web, base, path)
}

fn ask(web: &Web, base: &str, path: &str) -> Result<String, Trouble> {
    let token = web.put(
        &format!("{base}/latest/api/token"),
        &[("X-aws-ec2-metadata-token-ttl-seconds", "60")],
    )?;
    let token = text(token)?;
    let value = web.get(
        &format!("{base}/latest/meta-data/{path}"),
        &[("X-aws-ec2-metadata-token", token.trim())],
    )?;
    text(value)
}

fn text(answer: crate::http::web::Answer) -> Result<String, Trouble> {
    match answer.status() {
        200 => {
            let body = answer.read_all(ANSWER_LIMIT)?;
            Ok(String::from_utf8_lossy(&body).into_owned())
        }
        status => Err(Trouble::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(environment: &[(&str, &str)]) -> Config {
        let all = environment.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Config::load(all).0
    }

    #[test]
    fn where_it_is() {
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
    fn what_is_set_is_not_asked_for() {
        let set = config(&[("ECS_EXTERNAL", "true"), ("AWS_REGION", "eu-west-1")]);
        assert_eq!(region(&set, &Stop::never()).unwrap(), "eu-west-1");
    }

    #[test]
    fn without_a_way_to_ask_the_error_says_how_to_set_it() {
        for name in ["ECS_EXTERNAL", "AWS_EC2_METADATA_DISABLED"] {
            let error = region(&config(&[(name, "true")]), &Stop::never()).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(name), "{error}");
            assert!(error.contains("set AWS_REGION"), "{error}");
        }
    }
}
