//! Error responses of S3: what they mean, and what to check. Pure.

use crate::config::{Origin, value};

/// An error response ("REST error responses" in the S3 API Reference).
#[derive(Debug, Clone, Copy)]
pub struct ErrorResponse<'a> {
    /// The status code.
    pub status: u16,
    /// `x-amz-bucket-region`.
    pub region_header: Option<&'a str>,
    /// The start of the body. It may contain secrets: S3 repeats parts of the request.
    pub body: &'a str,
}

impl ErrorResponse<'_> {
    /// S3's error code, if it has the form of one.
    pub fn code(&self) -> Option<&str> {
        let code = element(self.body, "Code")?;
        (code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(code)
    }

    /// The bucket's region, if S3 says that it is not the `requested` one.
    pub fn other_region(&self, requested: &str) -> Option<String> {
        // The header is also in successful responses and in 404.
        if !matches!(self.status, 301 | 307 | 400 | 403) {
            return None;
        }
        let region = self
            .region_header
            .or_else(|| element(self.body, "Region"))?;
        value::region(region).ok().filter(|r| r != requested)
    }

    /// The message for the user: status, code and what to check.
    pub fn explain(&self, origin: &Origin, region: &str) -> String {
        let code = self.code().unwrap_or_default();
        let advice = match (code, self.status) {
            ("RequestTimeTooSkewed" | "RequestExpired", _) => {
                "the host's clock is wrong: set it and synchronize it with NTP".to_owned()
            }
            ("ExpiredToken" | "TokenRefreshRequired", _) => {
                "the credentials have expired: check the host's clock, and that the credentials \
                 are renewed"
                    .to_owned()
            }
            ("InvalidAccessKeyId" | "InvalidToken" | "SignatureDoesNotMatch", _) => {
                "the credentials are invalid: check that they are complete and of this partition"
                    .to_owned()
            }
            ("NoSuchBucket", _) => {
                format!("check the bucket's name ({origin}), and that it is in {region}")
            }
            // The response does not name the bucket's region, or it led to another redirect.
            (_, 301 | 307) => format!(
                "the bucket is not in {region}: set ECS_INIT_REGION to its region, and check the \
                 bucket's name ({origin})"
            ),
            (_, 304) => "the request was unconditional: a proxy sent this response; add S3's host \
                         to NO_PROXY"
                .to_owned(),
            (_, 404) => format!("the object does not exist: check the key ({origin})"),
            (_, 401 | 403) => "check that the role allows s3:GetObject on the object (and \
                               s3:ListBucket, without which S3 answers the same for a missing \
                               object), and the policies of the bucket, its KMS key and the VPC \
                               endpoint"
                .to_owned(),
            _ => format!(
                "requested in {region}; check the bucket's region (ECS_INIT_REGION), the proxy \
                 and AWS_ENDPOINT_URL_S3"
            ),
        };
        let (status, space) = (self.status, if code.is_empty() { "" } else { " " });
        format!("S3 returned {status}{space}{code}: {advice}")
    }
}

/// The text of the first element with this name. In S3's errors the elements in question have no
/// attributes and no escapes.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = xml.split_once(&*format!("<{name}>"))?;
    let (text, _) = after.split_once('<')?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> ErrorResponse<'_> {
        ErrorResponse {
            status,
            region_header: None,
            body,
        }
    }

    #[test]
    fn other_region_from_header_or_body() {
        let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>s3cr3t</Message>\
                         <Region>eu-west-1</Region></Error>";
        let moved = ErrorResponse {
            region_header: Some("eu-west-3"),
            ..response(301, "<Error><Code>PermanentRedirect</Code></Error>")
        };
        let west = |r: ErrorResponse| r.other_region("us-east-1");
        assert_eq!(west(response(400, malformed)).as_deref(), Some("eu-west-1"));
        assert_eq!(west(moved).as_deref(), Some("eu-west-3"));
        assert_eq!(moved.other_region("eu-west-3"), None);
        assert_eq!(west(response(404, malformed)), None);
        for evil in ["<Region>a.evil/</Region>", "<Region></Region>", "<Region>x"] {
            assert_eq!(west(response(400, evil)), None, "{evil}");
        }
    }

    #[test]
    fn explain_names_what_to_check_without_the_body() {
        for (status, code, check) in [
            (403, "AccessDenied", "s3:GetObject"),
            (403, "RequestTimeTooSkewed", "clock"),
            (400, "ExpiredToken", "clock"),
            (403, "SignatureDoesNotMatch", "credentials"),
            (404, "NoSuchKey", "does not exist"),
            (404, "NoSuchBucket", "bucket's name"),
            (301, "PermanentRedirect", "set ECS_INIT_REGION"),
            (307, "TemporaryRedirect", "set ECS_INIT_REGION"),
            (304, "", "NO_PROXY"),
            (418, "s3cr3t <", "418: requested in eu-west-1; check"),
        ] {
            let body = format!("<Error><Code>{code}</Code><Message>s3cr3t</Message></Error>");
            let said = response(status, &body).explain(&Origin::Environment, "eu-west-1");
            assert!(
                said.contains(check) && said.contains(&status.to_string()),
                "{said}"
            );
            assert!(!said.contains("s3cr3t"), "{said}");
        }
    }
}
