//! Signature Version 4 of a GET request to S3 ("Authenticating Requests: Using the Authorization
//! Header" in the S3 API Reference).

use std::time::SystemTime;

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;

use crate::config::AwsCredentials;
use crate::error::{Error, Result};

/// The headers of a signed request: names and values.
pub type SignedHeaders = Vec<(String, String)>;

/// Signs a GET request for a percent-encoded URL.
///
/// # Errors
/// The URL, the credentials or the region cannot be used.
pub fn sign_get(
    url: &str,
    region: &str,
    credentials: &AwsCredentials,
    now: SystemTime,
) -> Result<SignedHeaders> {
    let invalid =
        |e: &dyn std::fmt::Display| Error::invalid(format!("cannot sign the request: {e}"));
    let identity = aws_credential_types::Credentials::new(
        credentials.id.clone(),
        credentials.secret.clone(),
        credentials.token.clone(),
        None,
        "ecs-init",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|e| invalid(&e))?
        .into();
    let request = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(b""))
        .map_err(|e| invalid(&e))?;
    let (instructions, _) = sign(request, &params)
        .map_err(|e| invalid(&e))?
        .into_parts();
    let (headers, _) = instructions.into_parts();
    Ok(headers
        .iter()
        .map(|h| (h.name().to_owned(), h.value().to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::url::percent_encode_path;
    use std::time::{Duration, UNIX_EPOCH};

    /// The signatures of botocore 1.43 (`S3SigV4Auth`), for the credentials and the time of the S3
    /// API Reference's examples, 2013-05-24T00:00:00Z.
    #[test]
    fn signatures_match_botocore() {
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
            let credentials = AwsCredentials {
                id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
                token: token.map(str::to_owned),
            };
            let url = format!("http://{host}/{}", percent_encode_path(key));
            let headers = sign_get(&url, region, &credentials, now).unwrap();
            let value = |name| headers.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
            let authorization = value("authorization").unwrap();
            let (scope_and_headers, got) = authorization.rsplit_once("Signature=").unwrap();
            assert_eq!(got, signature, "{url}");
            let scope = format!("/20130524/{region}/s3/aws4_request, SignedHeaders=host;");
            assert!(scope_and_headers.contains(&scope), "{authorization}");
            assert_eq!(value("x-amz-date"), Some("20130524T000000Z"));
            assert_eq!(value("x-amz-security-token"), token);
        }
    }
}
