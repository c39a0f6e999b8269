//! `ECS_INIT_CONFIG_S3`: a layer of configuration that lies in S3. What it takes to fetch it, and
//! whether it was fetched already.

use std::fmt;

use super::settings::{Raw, Settings};
use super::{Config, Setting};

/// Where the last fetch lies: a line that says from where, then the object as it was.
pub const FILE: &str = "/var/lib/ecs/ecs.config.s3";

/// The longest key, in bytes of UTF-8 ("Naming Amazon S3 objects" in the S3 User Guide).
const LONGEST_KEY: usize = 1024;

/// The layer that was asked for.
#[derive(Debug, Clone)]
pub struct S3Layer {
    /// `ECS_INIT_CONFIG_S3`, as it was written.
    pub url: Setting<String>,
    /// Whether an earlier fetch from this very URL is a part of the configuration.
    pub held: bool,
    /// Credentials in the process's environment.
    pub keys: Option<Keys>,
    /// The configuration without the layer. By this one it is fetched: a fetch that depended on
    /// what the last one brought could be spoiled for ever by one bad object.
    pub plain: Box<Config>,
}

impl S3Layer {
    pub(super) fn new(url: Raw, held: bool, settings: &Settings, plain: Config) -> S3Layer {
        S3Layer {
            url: Setting::new(url.text, url.origin),
            held,
            keys: Keys::read(settings),
            plain: Box::new(plain),
        }
    }
}

/// Credentials, long-lived or temporary. Never printed, not even for debugging.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The access key's ID.
    pub id: String,
    /// The secret.
    pub secret: String,
    /// What temporary credentials have besides.
    pub token: Option<String>,
}

impl Keys {
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, as the SDKs read them.
    /// From the environment alone: in a file they would go on into the agent's container.
    fn read(settings: &Settings) -> Option<Keys> {
        let get = |name| settings.environment_alone(name).map(str::to_owned);
        Some(Keys {
            id: get("AWS_ACCESS_KEY_ID")?,
            secret: get("AWS_SECRET_ACCESS_KEY")?,
            token: get("AWS_SESSION_TOKEN"),
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// An object in S3, `s3://bucket/key`. The key is as it is, not percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Url {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

impl S3Url {
    /// Reads one.
    ///
    /// # Errors
    /// What would have been one.
    pub fn parse(text: &str) -> Result<S3Url, &'static str> {
        let (bucket, key) = text
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or("is no s3://bucket/key")?;
        if bucket.contains(":accesspoint") {
            return Err(
                "names an access point by its ARN: use the access point's alias as the bucket",
            );
        }
        // "General purpose bucket naming rules" in the S3 User Guide, and what was allowed before.
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if !(3..=255).contains(&bucket.len()) || !bucket.bytes().all(fits) || dots(bucket) {
            return Err("names no bucket (letters, digits, '-' and '.')");
        }
        if key.is_empty() || key.len() > LONGEST_KEY || key.contains(char::is_control) {
            return Err("has no key behind the bucket, or one that S3 does not allow");
        }
        // In a URL these mean the segment before, whatever the server thinks of it.
        if key.split('/').any(dots) {
            return Err("has a key with '.' or '..' for a segment, which no URL can name");
        }
        Ok(S3Url {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }

    /// What [`FILE`] begins with when it was fetched from here.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("# {self}\n")
    }
}

fn dots(segment: &str) -> bool {
    segment == "." || segment == ".."
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_and_keys_are_told_apart() {
        for (text, bucket, key) in [
            ("s3://abc/ecs.config", "abc", "ecs.config"),
            (
                "s3://a.b-c.d/fleet/é x+y?#%.config",
                "a.b-c.d",
                "fleet/é x+y?#%.config",
            ),
            ("s3://Old_Bucket//twice//over", "Old_Bucket", "/twice//over"),
            ("s3://abc/...", "abc", "..."),
        ] {
            let url = S3Url::parse(text).unwrap();
            assert_eq!((&*url.bucket, &*url.key), (bucket, key), "{text}");
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_object_is_none() {
        let long = format!("s3://abc/{}", "x".repeat(1025));
        for text in [
            "",
            "abc/key",
            "https://abc/key",
            "S3://abc/key",
            "s3://abc",
            "s3://abc/",
            "s3:///key",
            "s3://ab/key",
            "s3://a b/key",
            "s3://user@abc/key",
            "s3://abc:80/key",
            "s3://../key",
            "s3://arn:aws:s3:::abc/key",
            "s3://abc/../other/key",
            "s3://abc/a/./b",
            "s3://abc/a\nb",
            &long,
        ] {
            assert!(S3Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_are_not_printed() {
        let keys = Keys {
            id: "AKID".into(),
            secret: "geheim".into(),
            token: Some("geheim".into()),
        };
        let printed = format!("{keys:?}");
        assert!(
            !printed.contains("geheim") && !printed.contains("AKID"),
            "{printed}"
        );
    }
}
