//! Signature Version 4 of a GET in S3 ("Authenticating Requests: Using the Authorization Header"
//! in the S3 API Reference): one form of request, always with the same headers. Pure.

use std::fmt::Write;
use std::time::SystemTime;

use ring::{digest, hmac};

use crate::config::Keys;
use crate::utc::utc;

/// The headers that make a request a signed one; names in lower case and in order.
pub type Signed = Vec<(&'static str, String)>;

/// The SHA-256 of no body.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A key as a part of a URL's path: what is not unreserved (RFC 3986 section 2.3) is encoded, once
/// as S3 wants it, and slashes are slashes.
pub fn encode(key: &str) -> String {
    let mut path = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// Signs a GET of `path`, encoded and without a query, at `host` (with its port, if that is not
/// the scheme's own).
pub fn get(host: &str, path: &str, region: &str, keys: &Keys, now: SystemTime) -> Signed {
    // 2026-11-22T15:35:12Z to 20261122T153512Z.
    let time = utc(now).replace(['-', ':'], "");
    let date = time.split('T').next().unwrap_or_default();
    let mut headers: Signed = vec![
        ("x-amz-content-sha256", EMPTY.to_owned()),
        ("x-amz-date", time.clone()),
    ];
    if let Some(token) = &keys.token {
        headers.push(("x-amz-security-token", token.clone()));
    }

    let mut names = "host".to_owned();
    let mut lines = format!("host:{host}\n");
    for (name, value) in &headers {
        names = names + ";" + name;
        lines = lines + name + ":" + value + "\n";
    }
    let request = format!("GET\n{path}\n\n{lines}\n{names}\n{EMPTY}");

    let scope = format!("{date}/{region}/s3/aws4_request");
    let digest = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
    // The parts of the scope, each keyed by what the one before gave.
    let first = mac(format!("AWS4{}", keys.secret).as_bytes(), date);
    let key = scope
        .split('/')
        .skip(1)
        .fold(first, |key, part| mac(key.as_ref(), part));
    let signature = hex(mac(key.as_ref(), &to_sign).as_ref());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
        keys.id
    );
    headers.push(("authorization", authorization));
    headers
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    /// The signatures are those of botocore 1.43 (`S3SigV4Auth`) for the credentials and the moment
    /// of the S3 API Reference's examples, 2013-05-24T00:00:00Z.
    #[test]
    fn signatures_are_those_of_amazons_own_library() {
        let now = UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        for (host, key, region, token, signature) in [
            (
                "examplebucket.s3.amazonaws.com",
                "test.txt",
                "us-east-1",
                None,
                "df548e2ce037944d03f3e68682813b093763996d597cf890ca3d9037fd231eb4",
            ),
            (
                "s3.eu-west-1.amazonaws.com",
                "fleet.test/a key/é+x%?#~*.config",
                "eu-west-1",
                Some("tok/en+=="),
                "e234aed9edb2d60cf646a327d8ca782fcc558f4b1b67bc74b835701d0c7cbee9",
            ),
            (
                "10.0.2.2:8080",
                "fleet//twice",
                "us-west-2",
                Some("t"),
                "8aebe3fe988b75801bb0e6685a47103addaf4a5c556caea7927298692f5e2b74",
            ),
        ] {
            let keys = Keys {
                id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
                token: token.map(str::to_owned),
            };
            let path = format!("/{}", encode(key));
            let signed = get(host, &path, region, &keys, now);
            let value = |name| signed.iter().find(|(n, _)| *n == name).map(|(_, v)| &**v);
            let authorization = value("authorization").unwrap();
            let (said, got) = authorization.rsplit_once("Signature=").unwrap();
            assert_eq!(got, signature, "{path}");
            let scope = format!("/20130524/{region}/s3/aws4_request,SignedHeaders=host;");
            assert!(said.contains(&scope), "{said}");
            assert_eq!(value("x-amz-date"), Some("20130524T000000Z"));
            assert_eq!(value("x-amz-security-token"), token);
        }
    }

    #[test]
    fn a_key_is_encoded_once_byte_by_byte() {
        assert_eq!(encode("a/B-._~9"), "a/B-._~9");
        assert_eq!(encode("é +%2F?#&*"), "%C3%A9%20%2B%252F%3F%23%26%2A");
    }
}
