//! What S3 meant by a refusal, and what is to be done about it. Pure.

use crate::config::{Origin, S3Url, value};

/// A refusal: its status, and what its body said ("REST error responses" in the S3 API Reference).
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The status.
    pub status: u16,
    /// The header `x-amz-bucket-region`.
    pub header: Option<&'a str>,
    /// The body, as far as it was read. A part of it may be secret: S3 repeats what it was asked.
    pub body: &'a str,
}

impl Refusal<'_> {
    /// S3's word for it, if it is one.
    pub fn code(&self) -> Option<&str> {
        let code = element(self.body, "Code")?;
        (code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric())).then_some(code)
    }

    /// The region that the bucket is in, if S3 says that we asked in a wrong one.
    pub fn region(&self, asked: &str) -> Option<String> {
        // The header comes with good answers and with 404, too.
        if !matches!(self.status, 301 | 307 | 400 | 403) {
            return None;
        }
        let region = self.header.or_else(|| element(self.body, "Region"))?;
        value::region(region).ok().filter(|region| region != asked)
    }

    /// The error for a human.
    pub fn explain(&self, url: &S3Url, origin: &Origin, region: &str) -> String {
        let code = self.code().unwrap_or_default();
        let check = match (code, self.status) {
            ("RequestTimeTooSkewed" | "RequestExpired", _) => {
                "the host's clock is wrong: set it, and keep it right by NTP".to_owned()
            }
            ("ExpiredToken" | "TokenRefreshRequired", _) => {
                "the credentials have expired: is the host's clock right, and does somebody renew \
                 them?"
                    .to_owned()
            }
            ("InvalidAccessKeyId" | "InvalidToken" | "SignatureDoesNotMatch", _) => {
                "the credentials are not valid there: are they of this partition, and whole?"
                    .to_owned()
            }
            ("NoSuchBucket", _) => {
                format!("check the bucket's name ({origin}), and that it is in {region}")
            }
            // Where it is was not said, or it was not there either.
            (_, 301 | 307) => format!(
                "the bucket is in another region than {region}: set ECS_INIT_REGION to its own, \
                 and check the bucket's name ({origin})"
            ),
            (_, 304) => "nothing was asked that has this answer: a proxy in between gave it; name \
                         S3's host in NO_PROXY"
                .to_owned(),
            (_, 404) => format!("check the key ({origin}): there is no such object"),
            (_, 401 | 403) => "check that the role allows s3:GetObject on the object (and \
                               s3:ListBucket, without which S3 says the same of one that is not \
                               there), and the policies of the bucket, its KMS key and the VPC's \
                               endpoint"
                .to_owned(),
            _ => format!(
                "asked in {region}; check the bucket's region (ECS_INIT_REGION), the proxy and \
                 AWS_ENDPOINT_URL_S3"
            ),
        };
        let (status, space) = (self.status, if code.is_empty() { "" } else { " " });
        format!("{url}: S3 answered {status}{space}{code}: {check}")
    }
}

/// The text of the first element of this name. S3's errors have no attributes and no escapes in
/// what we look for.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = xml.split_once(&*format!("<{name}>"))?;
    let (text, _) = after.split_once('<')?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal<'_> {
        Refusal {
            status,
            header: None,
            body,
        }
    }

    #[test]
    fn the_region_is_told_by_header_or_body() {
        let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>geheim</Message>\
                         <Region>eu-west-1</Region></Error>";
        let moved = Refusal {
            header: Some("eu-west-3"),
            ..refusal(301, "<Error><Code>PermanentRedirect</Code></Error>")
        };
        let west = |r: Refusal| r.region("us-east-1");
        assert_eq!(west(refusal(400, malformed)).as_deref(), Some("eu-west-1"));
        assert_eq!(west(moved).as_deref(), Some("eu-west-3"));
        assert_eq!(moved.region("eu-west-3"), None, "it was asked there");
        assert_eq!(west(refusal(404, malformed)), None);
        for evil in ["<Region>a.evil/</Region>", "<Region></Region>", "<Region>x"] {
            assert_eq!(west(refusal(400, evil)), None, "{evil}");
        }
    }

    #[test]
    fn each_refusal_says_what_to_check_and_nothing_of_the_body() {
        let url = S3Url::parse("s3://bucket/key").unwrap();
        for (status, code, check) in [
            (403, "AccessDenied", "s3:GetObject"),
            (403, "RequestTimeTooSkewed", "clock"),
            (400, "ExpiredToken", "clock"),
            (403, "SignatureDoesNotMatch", "credentials"),
            (404, "NoSuchKey", "no such object"),
            (404, "NoSuchBucket", "bucket's name"),
            (301, "PermanentRedirect", "set ECS_INIT_REGION"),
            (307, "TemporaryRedirect", "set ECS_INIT_REGION"),
            (304, "", "NO_PROXY"),
            (418, "geheim <", "418: asked in eu-west-1; check"),
        ] {
            let body = format!("<Error><Code>{code}</Code><Message>geheim</Message></Error>");
            let said = refusal(status, &body).explain(&url, &Origin::Environment, "eu-west-1");
            assert!(
                said.contains(check) && said.contains(&status.to_string()),
                "{said}"
            );
            assert!(!said.contains("geheim"), "{said}");
        }
    }
}
