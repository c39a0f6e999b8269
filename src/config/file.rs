//! The syntax of `ecs.config`: lines of `KEY=VALUE` as in systemd's `EnvironmentFile`
//! (systemd.exec(5)), because a unit may pass the same file to the process:
//!
//! - blank lines and lines that begin with `#` or `;` are ignored;
//! - in `"…"` a backslash escapes `"`, `\`, `` ` `` and `$`, and joins two lines; before any other
//!   character it is kept;
//! - in `'…'` every character is literal; both kinds of quotes may span lines;
//! - quotes after the value's first character are literal; a backslash at the end of a line joins
//!   it with the next.
//!
//! One rule is amazon-ecs-init's and not systemd's: outside of quotes a backslash within a line is
//! kept. Unquoted JSON, `ECS_ENGINE_AUTH_DATA={"…":"a\"b"}`, reaches the agent unchanged.

use std::fmt;

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// The number of its first line, from 1.
    pub line: usize,
    /// The variable's name.
    pub name: &'a str,
    /// Its value, without outer quotes.
    pub value: String,
}

/// A line that is not an assignment. It does not contain the line, which may have a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for SyntaxError {}

/// Parses a whole file. After an invalid line, parsing continues with the next.
pub fn parse(text: &str) -> impl Iterator<Item = Result<Assignment<'_>, SyntaxError>> {
    Lines {
        // A file from Windows may begin with a byte order mark; its lines end with \r\n.
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 0,
    }
}

/// The text that is not parsed yet.
struct Lines<'a> {
    rest: &'a str,
    /// The number of the last line that was parsed.
    line: usize,
}

impl<'a> Lines<'a> {
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.line += taken.matches('\n').count();
        taken
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Assignment<'a>, SyntaxError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let line = self.line + 1;
            let rest = self.rest;
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            let first = &rest[..length];
            let error = |problem| Some(Err(SyntaxError { line, problem }));
            if first.trim().is_empty() || first.trim_start().starts_with(['#', ';']) {
                self.take(length);
                continue;
            }
            let Some(equals) = first.find('=') else {
                self.take(length);
                return error("no '='");
            };
            let name = first[..equals].trim();
            if !is_name(name) {
                self.take(length);
                return error("not a variable name before '=' (letters, digits and '_')");
            }
            let Some((value, read)) = value(&rest[equals + 1..]) else {
                self.take(length);
                return error("a quote is not closed");
            };
            self.take(equals + 1 + read);
            if value.contains('\0') {
                return error("the value has a NUL byte");
            }
            return Some(Ok(Assignment { line, name, value }));
        }
        None
    }
}

/// Whether a shell and systemd accept the name.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The parser's state within a value.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Before the first character, or after a closing quote.
    Start,
    /// In text without quotes.
    Plain,
    /// Within quotes of this kind.
    Quoted(char),
}

/// The value at the beginning of `text`, and its length in bytes including the end of its line.
/// `None`: a quote is not closed.
fn value(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    // Text after this length is white space at the end of a line.
    let mut keep = 0;
    let mut state = State::Start;
    let mut chars = text.char_indices().peekable();
    let mut read = text.len();
    while let Some((index, c)) = chars.next() {
        // The character after a backslash; \r\n counts as \n.
        let escaped =
            (c == '\\').then(|| text[index + 1..].trim_start_matches('\r').chars().next());
        match (state, c) {
            (State::Start | State::Plain, '\n') => {
                read = index + 1;
                state = State::Plain;
                break;
            }
            (State::Start, '"' | '\'') => state = State::Quoted(c),
            (State::Start, c) if c.is_whitespace() => {}
            (State::Quoted(quote), c) if c == quote => {
                state = State::Start;
                keep = value.len();
            }
            (State::Quoted('\''), c) => value.push(c),
            (_, '\\') if escaped == Some(Some('\n')) => {
                while chars.next_if(|(_, c)| *c == '\r').is_some() {}
                chars.next();
                if state == State::Start {
                    state = State::Plain;
                }
            }
            (State::Quoted(_), '\\') => match chars.next_if(|(_, c)| r#""\`$"#.contains(*c)) {
                Some((_, taken)) => value.push(taken),
                None => value.push('\\'),
            },
            (State::Quoted(_), c) => value.push(c),
            (State::Start | State::Plain, c) => {
                state = State::Plain;
                value.push(c);
                if !c.is_whitespace() {
                    keep = value.len();
                }
            }
        }
    }
    if matches!(state, State::Quoted(_)) {
        return None;
    }
    value.truncate(keep);
    Some((value, read))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(&str, String)> {
        parse(text)
            .filter_map(Result::ok)
            .map(|a| (a.name, a.value))
            .collect()
    }

    fn one(text: &str) -> String {
        let all: Vec<_> = parse(text).collect();
        assert_eq!(all.len(), 1, "{text:?}: {all:?}");
        all[0].clone().expect(text).value
    }

    /// The values that systemd 252 returned for the same lines, with its parser of environment.d,
    /// which also parses `EnvironmentFile`.
    #[test]
    fn quotes_and_escapes_match_systemd() {
        for (text, value) in [
            (r#"A="x y""#, "x y"),
            (r#"B='{"k":"v"}'"#, r#"{"k":"v"}"#),
            (r#"C="""#, ""),
            ("E=it's", "it's"),
            (r#"F=""x"""#, r#"x"""#),
            (r#"G={"k":1}"#, r#"{"k":1}"#),
            (r#"H="a\"b\\c\nd""#, r#"a"b\c\nd"#),
            ("I=one\\\ntwo", "onetwo"),
            ("J=\"m\nn\"", "m\nn"),
            (r#"M="x" y"#, "xy"),
            (r"N='a\b'", r"a\b"),
            ("  O =  p  ", "p"),
            (r#"P="  q  ""#, "  q  "),
            ("Q=x # y", "x # y"),
            ("S=\"a\\\nb\"", "ab"),
            (r#"T="u"v"w""#, r#"uv"w""#),
            (r#"U="x"'y'"#, "xy"),
        ] {
            assert_eq!(one(text), value, "{text}");
        }
    }

    #[test]
    fn unquoted_backslash_is_kept() {
        assert_eq!(one(r"K=a\bc"), r"a\bc");
        let json = r#"{"https://r":{"password":"p\"w\\"}}"#;
        assert_eq!(one(&format!("ECS_ENGINE_AUTH_DATA={json}\n")), json);
    }

    #[test]
    fn comments_blank_lines_and_windows_line_ends_are_skipped() {
        let text = "\u{feff}# c\r\n\r\n  A = 1 \r\n;B=2\n# x\\\nC=\"3\"\r\nD=4\\\r\n5\r\n";
        let want = [("A", "1"), ("C", "3"), ("D", "45")];
        assert_eq!(values(text), want.map(|(k, v)| (k, v.to_owned())));
    }

    #[test]
    fn invalid_lines_are_reported_and_the_rest_is_parsed() {
        let text = "A=1\nnonsense\n1X=2\n=3\nJ='m\nn'\nB=4\nE=\"open\nC=5\nZ=\0\nD=6";
        let bad: Vec<_> = parse(text)
            .filter_map(Result::err)
            .map(|u| u.line)
            .collect();
        assert_eq!(bad, [2, 3, 4, 8, 10]);
        let names: Vec<_> = values(text).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["A", "J", "B", "C", "D"]);
    }
}
