//! Signature Version 4 of a GET in S3 ("Authenticating Requests: Using the Authorization Header"
//! in the S3 API Reference).

use std::fmt::Write;
use std::time::SystemTime;

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;

use crate::config::Keys;

/// The headers that make a request a signed one.
pub type Signed = Vec<(String, String)>;

/// A key as a part of a URL's path: what is not unreserved (RFC 3986 section 2.3) is encoded once,
/// and slashes are slashes.
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

/// Signs a GET of this URL, which is encoded already.
///
/// # Errors
/// If it cannot be signed.
pub fn get(url: &str, region: &str, keys: &Keys, now: SystemTime) -> Result<Signed, String> {
    let said = |e: &dyn std::fmt::Display| format!("the request cannot be signed: {e}");
    let identity = aws_credential_types::Credentials::new(
        keys.id.clone(),
        keys.secret.clone(),
        keys.token.clone(),
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
        .map_err(|e| said(&e))?
        .into();
    let request = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(b""))
        .map_err(|e| said(&e))?;
    let (instructions, _) = sign(request, &params).map_err(|e| said(&e))?.into_parts();
    let (headers, _) = instructions.into_parts();
    Ok(headers
        .iter()
        .map(|h| (h.name().to_owned(), h.value().to_owned()))
        .collect())
}
