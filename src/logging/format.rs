//! A record to a line of text.

use std::fmt::Write;

use log::Level;

/// One line of logfmt with its line feed; `now` is in seconds since 1970.
pub fn line(level: Level, now: u64, message: &str) -> String {
    let level = match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    let mut line = format!("level={level} time={} msg=", rfc3339(now));
    quote(&mut line, message);
    line.push('\n');
    line
}

/// The prefix of a kernel log record: facility daemon (3) and the syslog severity (RFC 5424 §6.2.1).
pub fn kmsg(level: Level) -> &'static str {
    match level {
        Level::Error => "<27>",
        Level::Warn => "<28>",
        Level::Info => "<30>",
        Level::Debug | Level::Trace => "<31>",
    }
}

/// Quotes as Go's `%q` does, so that a message is one line whatever it holds.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Seconds since 1970 as RFC 3339 in UTC. The calendar goes by the civil-from-days rule: years of
/// 365.2425 days that begin in March, so that the leap day is the last of the year.
pub fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_361_712, "2026-11-22T15:35:12Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(
            line(Level::Warn, 0, "a \"b\"\n\\c\u{1b}é"),
            "level=warn time=1970-01-01T00:00:00Z msg=\"a \\\"b\\\"\\n\\\\c\\u001bé\"\n"
        );
    }
}
