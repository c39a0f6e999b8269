//! What to do with an answer to a GET that may resume a cut transfer (RFC 9110 sections 13.1.5,
//! 14 and 15.3.7). Pure.

use super::trouble::Trouble;

/// What we have of a file so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// How many of its bytes, from the first on.
    pub got: u64,
    /// How many it has, as far as the server said.
    pub total: Option<u64>,
    /// What tells its version: a strong `ETag`, else its `Last-Modified`.
    pub validator: Option<String>,
}

/// The headers of an answer that matter here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    /// The status.
    pub status: u16,
    /// `Content-Length`.
    pub length: Option<&'a str>,
    /// `Content-Range`.
    pub range: Option<&'a str>,
    /// `Content-Encoding`.
    pub encoding: Option<&'a str>,
    /// `ETag`.
    pub etag: Option<&'a str>,
    /// `Last-Modified`.
    pub modified: Option<&'a str>,
}

/// What the body is.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes to this place of the file: after what we have, or to the beginning.
    Write(Held),
    /// It does not fit what we have: ask for the whole file. Why.
    StartOver(&'static str),
}

impl Held {
    /// The headers that ask for the rest: `Range` and `If-Range`. None if we have nothing, or
    /// nothing tells whether the file is still the same.
    #[must_use]
    pub fn request(&self) -> Option<(String, &str)> {
        let validator = self.validator.as_deref()?;
        (self.got > 0).then(|| (format!("bytes={}-", self.got), validator))
    }
}

/// Judges an answer; `known` is what [`Held::request`] was made of, and `limit` the most bytes
/// that a file may have.
///
/// # Errors
/// An answer that is no file, or too large a one.
pub fn judge(head: &Head, known: &Held, limit: u64) -> Result<Next, Trouble> {
    let asked = known.request().is_some();
    match head.status {
        200 => {}
        206 if asked => {}
        416 if asked => return Ok(Next::StartOver("the server has no such range")),
        status => return Err(Trouble::Status(status)),
    }
    if let Some(encoding) = head.encoding
        && !encoding.trim().eq_ignore_ascii_case("identity")
    {
        return Err(Trouble::Encoded(encoding.to_owned()));
    }
    let length = head.length.and_then(|l| l.trim().parse::<u64>().ok());
    let next = if head.status == 206 {
        match rest(head, known, length) {
            Ok(known) => known,
            Err(why) => return Ok(Next::StartOver(why)),
        }
    } else {
        Held {
            got: 0,
            total: length,
            validator: validator(head),
        }
    };
    if next.total.is_some_and(|total| total > limit) {
        return Err(Trouble::TooLarge { limit });
    }
    Ok(Next::Write(next))
}

/// What a 206 adds to what we have, or why it does not fit.
fn rest(head: &Head, known: &Held, length: Option<u64>) -> Result<Held, &'static str> {
    let (first, last, total) = head
        .range
        .and_then(content_range)
        .ok_or("the server sent a part without saying which")?;
    if first != known.got {
        return Err("the server sent another part than was asked for");
    }
    if length.is_some_and(|l| l != last - first + 1) {
        return Err("the server's Content-Range and Content-Length do not fit");
    }
    let total = total.or(known.total);
    if total.is_some_and(|t| last >= t) || (known.total.is_some() && total != known.total) {
        return Err("the file's size has changed");
    }
    // If-Range should have seen to it; a proxy's cache may not.
    let now = validator(head);
    if now.is_some() && known.validator.is_some() && now != known.validator {
        return Err("the file has changed");
    }
    Ok(Held {
        got: known.got,
        total,
        validator: known.validator.clone(),
    })
}

/// A strong `ETag`, else `Last-Modified`: what `If-Range` may carry. A weak tag says "as good as
/// the same", which is no base for joining two halves.
fn validator(head: &Head) -> Option<String> {
    let strong = |tag: &&str| tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"');
    let tag = head.etag.map(str::trim).filter(strong);
    tag.or(head.modified.map(str::trim))
        .filter(|v| !v.is_empty())
        .map(str::to_owned)
}

/// `bytes 0-99/200`: first, last, and the whole size unless it is `*`.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let total = match total.trim() {
        "*" => None,
        number => Some(number.parse().ok()?),
    };
    // `last` of u64::MAX would overflow in "how many".
    (first <= last && last < u64::MAX).then_some((first, last, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1000;

    fn held() -> Held {
        Held {
            got: 40,
            total: Some(100),
            validator: Some("\"a\"".into()),
        }
    }

    fn part<'a>(range: &'a str, length: &'a str, etag: &'a str) -> Head<'a> {
        Head {
            status: 206,
            range: Some(range),
            length: Some(length),
            etag: Some(etag),
            ..Head::default()
        }
    }

    fn whole<'a>(length: &'a str, etag: &'a str) -> Head<'a> {
        Head {
            status: 200,
            length: Some(length),
            etag: Some(etag),
            ..Head::default()
        }
    }

    #[test]
    fn a_part_that_fits_is_appended() {
        for head in [
            part("bytes 40-99/100", "60", "\"a\""),
            part("bytes 40-99/*", "60", "\"a\""),
            part("bytes 40-79/100", "40", "\"a\""),
        ] {
            let Next::Write(next) = judge(&head, &held(), LIMIT).unwrap() else {
                panic!("{head:?}");
            };
            assert_eq!(next, held());
        }
    }

    #[test]
    fn a_part_that_does_not_fit_starts_over() {
        for head in [
            part("bytes 0-99/100", "100", "\"a\""),
            part("bytes 41-99/100", "59", "\"a\""),
            part("bytes 40-99/101", "60", "\"a\""),
            part("bytes 40-100/100", "61", "\"a\""),
            part("bytes 40-99/100", "59", "\"a\""),
            part("bytes 40-99/100", "60", "\"b\""),
            part("bytes 99-40/100", "60", "\"a\""),
            part("bytes 40-18446744073709551615/*", "60", "\"a\""),
            part("items 40-99/100", "60", "\"a\""),
            part("nonsense", "60", "\"a\""),
            Head {
                status: 206,
                ..Head::default()
            },
            Head {
                status: 416,
                ..Head::default()
            },
        ] {
            let next = judge(&head, &held(), LIMIT).unwrap();
            assert!(matches!(next, Next::StartOver(_)), "{head:?}");
        }
    }

    #[test]
    fn a_whole_file_begins_at_the_beginning() {
        let next = judge(&whole("70", "\"b\""), &held(), LIMIT).unwrap();
        let fresh = Held {
            got: 0,
            total: Some(70),
            validator: Some("\"b\"".into()),
        };
        assert_eq!(next, Next::Write(fresh));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let nothing = Held::default();
        let refused = |head: Head| judge(&head, &nothing, LIMIT).unwrap_err();
        for status in [206, 204, 304, 403, 404, 416, 503] {
            let head = Head {
                status,
                ..Head::default()
            };
            assert!(matches!(refused(head), Trouble::Status(s) if s == status));
        }
        assert!(matches!(
            refused(whole("1001", "\"a\"")),
            Trouble::TooLarge { limit: LIMIT }
        ));
        let gzip = Head {
            encoding: Some("gzip"),
            ..whole("10", "\"a\"")
        };
        assert!(matches!(refused(gzip), Trouble::Encoded(_)));
        // A part of a file that is too large is as well.
        let open = Held {
            total: None,
            ..held()
        };
        let big = part("bytes 40-99/2000", "60", "\"a\"");
        assert!(matches!(
            judge(&big, &open, LIMIT),
            Err(Trouble::TooLarge { .. })
        ));
    }

    #[test]
    fn only_what_tells_versions_apart_resumes() {
        let request = |etag, modified| {
            let head = Head {
                status: 200,
                etag,
                modified,
                ..Head::default()
            };
            let Ok(Next::Write(mut known)) = judge(&head, &Held::default(), LIMIT) else {
                panic!();
            };
            assert_eq!(known.request(), None, "nothing held, nothing to resume");
            known.got = 7;
            known.request().map(|(range, v)| (range, v.to_owned()))
        };
        let date = "Sat, 21 Nov 2026 10:00:00 GMT";
        let resumes = |v: &str| Some(("bytes=7-".to_owned(), v.to_owned()));
        assert_eq!(request(Some("\"x\""), Some(date)), resumes("\"x\""));
        assert_eq!(request(Some("W/\"x\""), Some(date)), resumes(date));
        assert_eq!(request(Some("W/\"x\""), None), None);
        assert_eq!(request(None, None), None);
    }
}
