//! How a response to a request for the rest of a file continues the download (RFC 9110, sections
//! 13.1.5, 14 and 15.3.7). Pure.

use crate::http::HttpError;

/// What is known about a file that is being downloaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResumeState {
    /// How many bytes were received, from the first on.
    pub received: u64,
    /// The size of the file, if the server announced it.
    pub total: Option<u64>,
    /// Identifies the version of the file: a strong `ETag`, otherwise `Last-Modified`.
    pub validator: Option<String>,
}

/// The parts of a response's head that matter here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    /// The status code.
    pub status: u16,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// `Content-Range`.
    pub content_range: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// `Last-Modified`.
    pub last_modified: Option<&'a str>,
}

/// How the download continues.
#[derive(Debug, PartialEq, Eq)]
pub enum ResumeAction {
    /// Write the body at [`ResumeState::received`]: after the received bytes, or at the start.
    Write(ResumeState),
    /// The body does not continue the received bytes: request the whole file. Why.
    StartOver(&'static str),
}

impl ResumeState {
    /// The values of `Range` and `If-Range` for a request for the rest. `None` if nothing was
    /// received, or nothing identifies the version of the file.
    pub fn range_headers(&self) -> Option<(String, &str)> {
        let validator = self.validator.as_deref()?;
        (self.received > 0).then(|| (format!("bytes={}-", self.received), validator))
    }
}

/// Decides how a response continues a download. `state` must be the one of the request's headers;
/// `limit` is the size of the largest accepted file, in bytes.
///
/// # Errors
/// The response is not the file, or the file is too large.
pub fn classify_response(
    head: &Head,
    state: &ResumeState,
    limit: u64,
) -> Result<ResumeAction, HttpError> {
    let is_range_request = state.range_headers().is_some();
    match head.status {
        200 => {}
        206 if is_range_request => {}
        416 if is_range_request => {
            return Ok(ResumeAction::StartOver("the server has no such range"));
        }
        status => return Err(HttpError::Status(status)),
    }
    if let Some(encoding) = head.content_encoding
        && !encoding.trim().eq_ignore_ascii_case("identity")
    {
        let message = format!("the server encoded the file ({encoding}), which was not requested");
        return Err(HttpError::Protocol(message));
    }
    let next = if head.status == 206 {
        match resume(head, state) {
            Ok(next) => next,
            Err(why) => return Ok(ResumeAction::StartOver(why)),
        }
    } else {
        ResumeState {
            received: 0,
            total: head.content_length,
            validator: validator(head),
        }
    };
    if next.total.is_some_and(|total| total > limit) {
        return Err(HttpError::Protocol(too_large(limit)));
    }
    Ok(ResumeAction::Write(next))
}

/// The state with which a 206 response continues, or why it does not match.
fn resume(head: &Head, state: &ResumeState) -> Result<ResumeState, &'static str> {
    let (first, last, total) = head
        .content_range
        .and_then(content_range)
        .ok_or("the server sent a part without a valid Content-Range")?;
    if first != state.received {
        return Err("the server sent another part than requested");
    }
    if head.content_length.is_some_and(|l| l != last - first + 1) {
        return Err("the server's Content-Range and Content-Length do not match");
    }
    let total = total.or(state.total);
    if total.is_some_and(|t| last >= t) || (state.total.is_some() && total != state.total) {
        return Err("the size of the file has changed");
    }
    // If-Range should prevent this; a caching proxy may ignore it.
    let now = validator(head);
    if now.is_some() && state.validator.is_some() && now != state.validator {
        return Err("the file has changed");
    }
    Ok(ResumeState {
        received: state.received,
        total,
        validator: state.validator.clone(),
    })
}

/// A strong `ETag`, otherwise `Last-Modified`: the valid values of `If-Range`. A weak tag allows
/// different bytes.
fn validator(head: &Head) -> Option<String> {
    let strong = |tag: &&str| tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"');
    let tag = head.etag.map(str::trim).filter(strong);
    tag.or(head.last_modified.map(str::trim))
        .filter(|v| !v.is_empty())
        .map(str::to_owned)
}

/// `bytes 0-99/200`: first, last, and the size of the file unless it is `*`.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        number => Some(number.parse().ok()?),
    };
    // With a `last` of u64::MAX, the length would overflow.
    (first <= last && last < u64::MAX).then_some((first, last, total))
}

/// Why a file is too large; ends with what to do.
pub(super) fn too_large(limit: u64) -> String {
    format!("larger than {limit} bytes; to allow more, set ECS_INIT_DOWNLOAD_LIMIT")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1000;

    fn state() -> ResumeState {
        ResumeState {
            received: 40,
            total: Some(100),
            validator: Some("\"a\"".into()),
        }
    }

    fn part<'a>(range: &'a str, length: u64, etag: &'a str) -> Head<'a> {
        Head {
            status: 206,
            content_range: Some(range),
            content_length: Some(length),
            etag: Some(etag),
            ..Head::default()
        }
    }

    fn whole(length: u64, etag: &str) -> Head<'_> {
        Head {
            status: 200,
            content_length: Some(length),
            etag: Some(etag),
            ..Head::default()
        }
    }

    #[test]
    fn matching_part_is_appended() {
        for head in [
            part("bytes 40-99/100", 60, "\"a\""),
            part("bytes 40-99/*", 60, "\"a\""),
            part("bytes 40-79/100", 40, "\"a\""),
        ] {
            let ResumeAction::Write(next) = classify_response(&head, &state(), LIMIT).unwrap()
            else {
                panic!("{head:?}");
            };
            assert_eq!(next, state());
        }
    }

    #[test]
    fn mismatching_part_starts_over() {
        for head in [
            part("bytes 0-99/100", 100, "\"a\""),
            part("bytes 41-99/100", 59, "\"a\""),
            part("bytes 40-99/101", 60, "\"a\""),
            part("bytes 40-100/100", 61, "\"a\""),
            part("bytes 40-99/100", 59, "\"a\""),
            part("bytes 40-99/100", 60, "\"b\""),
            part("bytes 99-40/100", 60, "\"a\""),
            part("bytes 40-18446744073709551615/*", 60, "\"a\""),
            part("items 40-99/100", 60, "\"a\""),
            part("nonsense", 60, "\"a\""),
            Head {
                status: 206,
                ..Head::default()
            },
            Head {
                status: 416,
                ..Head::default()
            },
        ] {
            let next = classify_response(&head, &state(), LIMIT).unwrap();
            assert!(matches!(next, ResumeAction::StartOver(_)), "{head:?}");
        }
    }

    #[test]
    fn whole_file_is_written_at_start() {
        let next = classify_response(&whole(70, "\"b\""), &state(), LIMIT).unwrap();
        let fresh = ResumeState {
            received: 0,
            total: Some(70),
            validator: Some("\"b\"".into()),
        };
        assert_eq!(next, ResumeAction::Write(fresh));
    }

    #[test]
    fn unusable_response_is_an_error() {
        let nothing = ResumeState::default();
        let refused = |head: Head| classify_response(&head, &nothing, LIMIT).unwrap_err();
        for status in [206, 204, 304, 403, 404, 416, 503] {
            let head = Head {
                status,
                ..Head::default()
            };
            assert!(matches!(refused(head), HttpError::Status(s) if s == status));
        }
        assert!(matches!(
            refused(whole(1001, "\"a\"")),
            HttpError::Protocol(_)
        ));
        let gzip = Head {
            content_encoding: Some("gzip"),
            ..whole(10, "\"a\"")
        };
        assert!(matches!(refused(gzip), HttpError::Protocol(_)));
        // So is a part of a file that is too large.
        let open = ResumeState {
            total: None,
            ..state()
        };
        let big = part("bytes 40-99/2000", 60, "\"a\"");
        assert!(matches!(
            classify_response(&big, &open, LIMIT),
            Err(HttpError::Protocol(_))
        ));
    }

    #[test]
    fn only_strong_validator_resumes() {
        let request = |etag, last_modified| {
            let head = Head {
                status: 200,
                etag,
                last_modified,
                ..Head::default()
            };
            let Ok(ResumeAction::Write(mut known)) =
                classify_response(&head, &ResumeState::default(), LIMIT)
            else {
                panic!();
            };
            assert_eq!(known.range_headers(), None, "nothing was received");
            known.received = 7;
            known
                .range_headers()
                .map(|(range, v)| (range, v.to_owned()))
        };
        let date = "Sat, 21 Nov 2026 10:00:00 GMT";
        let resumes = |v: &str| Some(("bytes=7-".to_owned(), v.to_owned()));
        assert_eq!(request(Some("\"x\""), Some(date)), resumes("\"x\""));
        assert_eq!(request(Some("W/\"x\""), Some(date)), resumes(date));
        assert_eq!(request(Some("W/\"x\""), None), None);
        assert_eq!(request(None, None), None);
    }
}
