//! `s3://bucket/key`, and the file that keeps the last object fetched from `ECS_INIT_CONFIG_S3`.

use std::fmt;

use crate::error::{Error, Result};

/// The last fetched object, after a line that names its URL: see [`S3Url::first_line`].
pub const FILE: &str = "/var/lib/ecs/ecs.config.s3";

/// The longest key, in bytes of UTF-8 ("Naming Amazon S3 objects" in the S3 User Guide).
const MAX_KEY_LENGTH: usize = 1024;

/// An object in S3, `s3://bucket/key`. The key is not percent-encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Url {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

impl S3Url {
    /// Parses `s3://bucket/key`.
    ///
    /// # Errors
    /// What is wrong with the text, which is not in the message.
    pub fn parse(text: &str) -> Result<S3Url> {
        let (bucket, key) = text
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(|| Error::invalid("not an S3 URL (s3://bucket/key)"))?;
        if bucket.contains(":accesspoint") {
            return Err(Error::invalid(
                "the bucket is an access point's ARN: use the access point's alias instead",
            ));
        }
        // "General purpose bucket naming rules" in the S3 User Guide, and the older rules.
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if !(3..=255).contains(&bucket.len()) || !bucket.bytes().all(is_allowed) || is_dots(bucket)
        {
            return Err(Error::invalid(
                "not a bucket name (letters, digits, '-' and '.')",
            ));
        }
        if key.is_empty() || key.len() > MAX_KEY_LENGTH || key.contains(char::is_control) {
            return Err(Error::invalid(
                "the key after the bucket is missing or not allowed in S3",
            ));
        }
        // HTTP clients resolve such segments before they send the URL (RFC 3986, section 5.2.4).
        if key.split('/').any(is_dots) {
            return Err(Error::invalid(
                "the key has a segment '.' or '..', which a URL cannot express",
            ));
        }
        Ok(S3Url {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }

    /// The first line of [`FILE`] after a fetch from this URL.
    pub fn first_line(&self) -> String {
        format!("# {self}\n")
    }
}

fn is_dots(segment: &str) -> bool {
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
    fn s3_url_splits_into_bucket_and_key() {
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
    fn invalid_s3_urls_are_rejected() {
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
}
