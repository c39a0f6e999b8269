//! Log records as text.

use std::fmt::Write;
use std::time::SystemTime;

use log::Level;

use crate::utc::rfc3339;

/// One line of logfmt, with its line feed.
pub(super) fn line(level: Level, now: SystemTime, message: &str) -> String {
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

/// The prefix of a kernel log record: facility daemon (3) and the syslog severity (RFC 5424
/// §6.2.1).
pub(super) fn kmsg(level: Level) -> &'static str {
    match level {
        Level::Error => "<27>",
        Level::Warn => "<28>",
        Level::Info => "<30>",
        Level::Debug | Level::Trace => "<31>",
    }
}

/// Appends `text` quoted as Go's `%q` does: control characters are escaped, so the result is one
/// line.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_escaped_to_one_line() {
        assert_eq!(
            line(Level::Warn, SystemTime::UNIX_EPOCH, "a \"b\"\n\\c\u{1b}é"),
            "level=warn time=1970-01-01T00:00:00Z msg=\"a \\\"b\\\"\\n\\\\c\\u001bé\"\n"
        );
    }
}
