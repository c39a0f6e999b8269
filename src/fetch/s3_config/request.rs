//! The request for the object: signed for the bucket's region, and retried.

use std::time::SystemTime;

use super::SIZE_LIMIT;
use super::error_response::ErrorResponse;
use super::sign::sign_get;
use crate::config::{AwsCredentials, Config, S3Layer, S3Url};
use crate::error::{Context, Error, Kind, Result};
use crate::fetch::credentials::credentials;
use crate::fetch::{imds, urls};
use crate::http::url::percent_encode_path;
use crate::http::{Client, HttpError, Response, Timeouts};
use crate::retry::{self, RetryPolicy};
use crate::sys::signal::Stop;

/// How many bytes of an error response are read; S3's have about 1000.
const ERROR_LIMIT: u64 = 16 * 1024;

/// Downloads the object.
///
/// # Errors
/// [`Kind::Unavailable`] or [`Kind::Transient`] if S3 or IMDS did not answer; other kinds if S3
/// returned an error, or no credentials were found.
pub fn object(layer: &S3Layer, url: &S3Url, stop: &Stop) -> Result<Vec<u8>> {
    let config = &*layer.base;
    let credentials = credentials(layer, stop)?;
    let client = Client::new(config, Timeouts::default(), stop)?;
    let request = Request {
        layer,
        url,
        client: &client,
        credentials: &credentials,
        stop,
    };
    match request.send_with_retries(&first_region(config, stop)?)? {
        Answer::Object(object) => Ok(object),
        Answer::OtherRegion { region, .. } => {
            log::info!("{url} is in {region}");
            match request.send_with_retries(&region)? {
                Answer::Object(object) => Ok(object),
                // Once only: two regions that name each other would be an endless loop.
                Answer::OtherRegion { message, .. } => Err(Error::new(
                    Kind::Rejected,
                    format!("fetch {url}: {message}"),
                )),
            }
        }
    }
}

/// The region of the first request.
fn first_region(config: &Config, stop: &Stop) -> Result<String> {
    imds::region(config, stop).map_err(|error| {
        if error.is_interrupted() || config.external || config.web.imds_disabled {
            error
        } else {
            // IMDS did not return the region.
            error.with_kind(Kind::Unavailable)
        }
    })
}

/// S3's answer.
enum Answer {
    Object(Vec<u8>),
    /// The bucket is in this region. The message is the error if that does not help.
    OtherRegion {
        region: String,
        message: String,
    },
}

struct Request<'a> {
    layer: &'a S3Layer,
    url: &'a S3Url,
    client: &'a Client,
    credentials: &'a AwsCredentials,
    stop: &'a Stop,
}

impl Request<'_> {
    fn send_with_retries(&self, region: &str) -> Result<Answer> {
        let policy = RetryPolicy::network(self.layer.base.source.retry_time);
        policy
            .run(self.stop, |_| self.send(region), retry::log_retry)
            .context(|| format!("fetch {}", self.url))
    }

    fn send(&self, region: &str) -> Result<Answer> {
        let target = format!(
            "{}/{}/{}",
            urls::s3_base_url(region, &self.layer.base.web),
            self.url.bucket,
            percent_encode_path(&self.url.key)
        );
        let signed = sign_get(&target, region, self.credentials, SystemTime::now())?;
        let headers: Vec<_> = signed.iter().map(|(n, v)| (&**n, &**v)).collect();
        let response = self.client.get_no_redirect(&target, &headers);
        let response = response.map_err(|error| match error.kind() {
            Kind::Interrupted | Kind::Transient => error,
            // Another TLS or proxy error: S3 has not answered.
            _ => error.with_kind(Kind::Unavailable),
        })?;
        if response.status() != 200 {
            return self.error_response(response, region);
        }
        // A truncated configuration can be valid. Without a length, truncation is not detected.
        let chunked = response.header("transfer-encoding").is_some();
        if response.content_length().is_none() && !chunked {
            return Err(response.error(HttpError::Protocol(
                "the response has neither Content-Length nor Transfer-Encoding".into(),
            )));
        }
        response.read_all(SIZE_LIMIT).map(Answer::Object)
    }

    /// The bucket's region, a transient error, or a final one.
    fn error_response(&self, response: Response, region: &str) -> Result<Answer> {
        let status = response.status();
        let error = response.error(HttpError::Status(status));
        let region_header = response.header("x-amz-bucket-region").map(str::to_owned);
        // The body is optional: it only improves the message.
        let body = match response.read_all(ERROR_LIMIT) {
            Err(error) if error.is_interrupted() => return Err(error),
            body => body.unwrap_or_default(),
        };
        let response = ErrorResponse {
            status,
            region_header: region_header.as_deref(),
            body: &String::from_utf8_lossy(&body),
        };
        if error.kind() == Kind::Transient || response.code() == Some("RequestTimeout") {
            return Err(error.with_kind(Kind::Transient));
        }
        let message = response.explain(&self.layer.url.origin, region);
        match response.other_region(region) {
            Some(region) => Ok(Answer::OtherRegion { region, message }),
            None => Err(Error::new(Kind::Rejected, message)),
        }
    }
}
