//! The request for the object: in the right region, signed, again while that may help.

use std::io::Read;
use std::time::{Instant, SystemTime};

use super::LIMIT;
use super::refusal::Refusal;
use super::sign::{self, Signed};
use crate::config::{AwsCredentials, Config, S3Layer, S3Url};
use crate::error::{Error, Kind, Result};
use crate::fetch::credentials::{Missed, credentials};
use crate::fetch::download::pause_or_stop;
use crate::fetch::imds;
use crate::fetch::retry::{Budget, Patience, Verdict, verdict};
use crate::fetch::trouble::Trouble;
use crate::fetch::urls;
use crate::http::failure::Failure;
use crate::http::web::{Answer, Limits, Web};
use crate::sys::random::random;
use crate::sys::signal::Stop;

/// As much of a refusal's body is read; S3's have about one kilobyte.
const REFUSAL_LIMIT: u64 = 16 * 1024;

/// Fetches the object.
///
/// # Errors
/// Why not.
pub fn object(layer: &S3Layer, url: &S3Url, stop: &Stop) -> Result<Vec<u8>, Missed> {
    let config = &*layer.base;
    let keys = credentials(layer, stop)?;
    let web = Web::new(config, Limits::default(), stop.clone()).map_err(Missed::Refused)?;
    let asked = Asked {
        layer,
        url,
        web: &web,
        keys: &keys,
        stop,
    };
    let region = region(config, stop)?;
    match asked.persist(&region)? {
        Got::Object(object) => Ok(object),
        // Once: two regions that name each other must not be a loop.
        Got::Elsewhere(region, _) => {
            log::info!("{url} is in {region}");
            match asked.persist(&region)? {
                Got::Object(object) => Ok(object),
                Got::Elsewhere(_, why) => Err(Missed::Refused(Error::new(Kind::InvalidInput, why))),
            }
        }
    }
}

/// Where to ask first. That it cannot be learned is a failure in passing only where IMDS is to
/// be asked for it.
fn region(config: &Config, stop: &Stop) -> Result<String, Missed> {
    imds::region(config, stop).map_err(|error| {
        if error.is_interrupted() || config.external || config.web.imds_disabled {
            Missed::Refused(error)
        } else {
            Missed::Unreached(error)
        }
    })
}

/// What an answer was.
enum Got {
    Object(Vec<u8>),
    /// The bucket's region, and the error if that does not help.
    Elsewhere(String, String),
}

struct Asked<'a> {
    layer: &'a S3Layer,
    url: &'a S3Url,
    web: &'a Web,
    keys: &'a AwsCredentials,
    stop: &'a Stop,
}

impl Asked<'_> {
    /// Asks in this region, and asks again as long as that may help and patience lasts.
    fn persist(&self, region: &str) -> Result<Got, Missed> {
        let patience = Patience::new(self.layer.base.source.retry_time);
        let mut budget = Budget::new(patience, Instant::now());
        loop {
            let trouble = match self.once(region)? {
                Ok(got) => return Ok(got),
                Err(trouble) => trouble,
            };
            let pause = match verdict(&trouble) {
                // Without chance the pauses are only less spread.
                Verdict::Retry => budget.pause(Instant::now(), random().unwrap_or(0)),
                Verdict::NextSource | Verdict::Fatal => None,
            };
            let fetching = || format!("fetch {}", self.url);
            let Some(pause) = pause else {
                return Err(Missed::new(trouble, fetching()));
            };
            let (url, seconds) = (self.url, pause.as_secs_f32());
            log::warn!("{url}: {trouble}; again in {seconds:.1} s");
            pause_or_stop(self.stop, pause).map_err(|t| Missed::new(t, fetching()))?;
        }
    }

    /// One request. Inside, what may pass; outside, what will not.
    fn once(&self, region: &str) -> Result<Result<Got, Trouble>, Missed> {
        let target = format!(
            "{}/{}/{}",
            urls::service(region, &self.layer.base.web),
            self.url.bucket,
            sign::encode(&self.url.key)
        );
        let signed = sign::get(&target, region, self.keys, SystemTime::now()).map_err(|why| {
            Missed::Refused(Error::new(
                Kind::InvalidInput,
                format!("{}: {why}", self.url),
            ))
        })?;
        let answer = match self.ask(&target, &signed) {
            Ok(answer) => answer,
            Err(failure) => return Ok(Err(failure.into())),
        };
        if answer.status() == 200 {
            return self.body(answer).map(|body| body.map(Got::Object));
        }
        Ok(self
            .refused(answer, region)?
            .map(|(region, why)| Got::Elsewhere(region, why)))
    }

    fn ask(&self, target: &str, signed: &Signed) -> Result<Answer, Failure> {
        let headers: Vec<_> = signed
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        self.web.get_here(target, &headers)
    }

    /// The body, if it is whole and not too large. Half a configuration reads as well as a whole
    /// one, so its length must be known.
    fn body(&self, mut answer: Answer) -> Result<Result<Vec<u8>, Trouble>, Missed> {
        let refuse = |why: String| {
            Err(Missed::Refused(Error::new(
                Kind::InvalidInput,
                format!("{}: {why}", self.url),
            )))
        };
        let length: Option<u64> = answer.header("content-length").and_then(|l| l.parse().ok());
        if length.is_none() && answer.header("transfer-encoding").is_none() {
            return refuse("the server does not say how long it is".to_owned());
        }
        let mut body = Vec::new();
        let limit = LIMIT as u64;
        if let Err(e) = answer.reader().take(limit + 1).read_to_end(&mut body) {
            return Ok(Err(Failure::from(e).into()));
        }
        let got = body.len() as u64;
        match length {
            _ if got > limit => refuse(format!("it is larger than {LIMIT} bytes")),
            Some(of) if got < of => Ok(Err(Trouble::CutShort { got, of })),
            _ => Ok(Ok(body)),
        }
    }

    /// A refusal: the bucket's own region, a trouble that may pass, or an error.
    fn refused(
        &self,
        answer: Answer,
        region: &str,
    ) -> Result<Result<(String, String), Trouble>, Missed> {
        let status = answer.status();
        let header = answer.header("x-amz-bucket-region").map(str::to_owned);
        // Without its body a refusal is one still.
        let body = match answer.read_all(REFUSAL_LIMIT) {
            Err(Failure::Interrupted) => return Ok(Err(Failure::Interrupted.into())),
            body => body.unwrap_or_default(),
        };
        let refusal = Refusal {
            status,
            header: header.as_deref(),
            body: &String::from_utf8_lossy(&body),
        };
        let trouble = Trouble::Status(status);
        if verdict(&trouble) == Verdict::Retry || refusal.code() == Some("RequestTimeout") {
            return Ok(Err(trouble));
        }
        let why = refusal.explain(self.url, &self.layer.url.origin, region);
        match refusal.region(region) {
            Some(region) => Ok(Ok((region, why))),
            None => Err(Missed::Refused(Error::new(Kind::InvalidInput, why))),
        }
    }
}
