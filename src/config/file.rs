//! `ecs.config`: lines of `KEY=VALUE`, read as systemd reads an `EnvironmentFile`, as far as the
//! reference's own parser does not contradict it: blank lines and lines that begin with `#` are
//! skipped, and one matched pair of outer quotes is taken off the value.

/// One line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// The line's number, from 1.
    pub line: usize,
    /// The variable's name.
    pub name: &'a str,
    /// Its value, without outer quotes.
    pub value: &'a str,
}

/// A line that says nothing we can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it. Never the line itself: it may hold a secret.
    pub why: &'static str,
}

/// Reads a whole file. A bad line costs that line only.
pub fn parse(text: &str) -> impl Iterator<Item = Result<Assignment<'_>, Unreadable>> {
    // A file that was written on Windows begins with a byte order mark and ends lines with \r\n.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().enumerate().filter_map(|(index, raw)| {
        let line = index + 1;
        let trimmed = raw.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return None;
        }
        let Some((name, value)) = trimmed.split_once('=') else {
            return Some(Err(Unreadable {
                line,
                why: "it has no '='",
            }));
        };
        let name = name.trim();
        if !is_name(name) {
            return Some(Err(Unreadable {
                line,
                why: "the name before '=' is no variable name (letters, digits and '_')",
            }));
        }
        if value.contains('\0') {
            return Some(Err(Unreadable {
                line,
                why: "the value holds a NUL byte",
            }));
        }
        Some(Ok(Assignment {
            line,
            name,
            value: unquote(value.trim()),
        }))
    })
}

/// A name as a shell and systemd take it.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Takes off one matched pair of outer quotes.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if value.len() >= 2
            && let Some(inner) = value
                .strip_prefix(quote)
                .and_then(|v| v.strip_suffix(quote))
        {
            return inner;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(&str, &str)> {
        parse(text)
            .filter_map(Result::ok)
            .map(|a| (a.name, a.value))
            .collect()
    }

    #[test]
    fn quotes_come_off_once_and_only_in_pairs() {
        assert_eq!(
            values("A=\"x y\"\nB='{\"k\":\"v\"}'\nC=\"\"\nD=\"\nE=it's\nF=\"\"x\"\"\nG={\"k\":1}"),
            [
                ("A", "x y"),
                ("B", "{\"k\":\"v\"}"),
                ("C", ""),
                ("D", "\""),
                ("E", "it's"),
                ("F", "\"x\""),
                ("G", "{\"k\":1}"),
            ]
        );
    }

    #[test]
    fn comments_blanks_and_windows_line_ends_are_skipped() {
        assert_eq!(values("\u{feff}# c\r\n\r\n  A = 1 \r\n;B\n"), [("A", "1")]);
    }

    #[test]
    fn a_bad_line_is_named_and_costs_only_itself() {
        let bad: Vec<_> = parse("A=1\nnonsense\n1X=2\n=3\nB=4")
            .filter_map(Result::err)
            .map(|u| u.line)
            .collect();
        assert_eq!(bad, [2, 3, 4]);
        assert_eq!(values("A=1\nnonsense\nB=4"), [("A", "1"), ("B", "4")]);
    }
}
