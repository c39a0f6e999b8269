//! `ecs.config`: lines of `KEY=VALUE`, read as systemd reads an `EnvironmentFile`
//! (systemd.exec(5)), so that a line means the same whether a unit hands it on or we read it:
//!
//! - blank lines and lines that begin with `#` or `;` say nothing;
//! - in `"…"` a backslash takes `"`, `\`, `` ` `` and `$` as they are and joins two lines; before
//!   anything else it stays;
//! - in `'…'` everything is taken as it is; both kinds of quotes may span lines;
//! - quotes after the value's first character are a part of it; a backslash at a line's end joins
//!   it with the next.
//!
//! One thing is the reference's way and not systemd's: outside of quotes a backslash within a line
//! stays. Whoever writes bare JSON, `ECS_ENGINE_AUTH_DATA={"…":"a\"b"}`, gets it to the agent so.

/// One line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// The line's number, from 1.
    pub line: usize,
    /// The variable's name.
    pub name: &'a str,
    /// Its value, without outer quotes.
    pub value: String,
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
    Lines {
        // A file that was written on Windows begins with a byte order mark and ends lines with \r\n.
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 0,
    }
}

/// What is still to be read.
struct Lines<'a> {
    rest: &'a str,
    /// The number of the line that was read last.
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
    type Item = Result<Assignment<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let line = self.line + 1;
            let rest = self.rest;
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            let first = &rest[..length];
            let bad = |why| Some(Err(Unreadable { line, why }));
            if first.trim().is_empty() || first.trim_start().starts_with(['#', ';']) {
                self.take(length);
                continue;
            }
            let Some(equals) = first.find('=') else {
                self.take(length);
                return bad("it has no '='");
            };
            let name = first[..equals].trim();
            if !is_name(name) {
                self.take(length);
                return bad("the name before '=' is no variable name (letters, digits and '_')");
            }
            let Some((value, read)) = value(&rest[equals + 1..]) else {
                self.take(length);
                return bad("a quote is opened and never closed");
            };
            self.take(equals + 1 + read);
            if value.contains('\0') {
                return bad("the value holds a NUL byte");
            }
            return Some(Ok(Assignment { line, name, value }));
        }
        None
    }
}

/// A name as a shell and systemd take it.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Where in a value the reader is.
#[derive(Clone, Copy, PartialEq)]
enum At {
    /// Before the first character, or behind a closing quote.
    Start,
    /// In text without quotes.
    Plain,
    /// Within quotes of this kind.
    Quoted(char),
}

/// The value that `text` begins with, and how many bytes it takes with the end of its line.
/// `None`: a quote is not closed.
fn value(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    // What comes behind this length is white space at a line's end.
    let mut keep = 0;
    let mut at = At::Start;
    let mut chars = text.char_indices().peekable();
    let mut read = text.len();
    while let Some((index, c)) = chars.next() {
        // What a backslash stands before; a Windows line end is one.
        let escaped =
            (c == '\\').then(|| text[index + 1..].trim_start_matches('\r').chars().next());
        match (at, c) {
            (At::Start | At::Plain, '\n') => {
                read = index + 1;
                at = At::Plain;
                break;
            }
            (At::Start, '"' | '\'') => at = At::Quoted(c),
            (At::Start, c) if c.is_whitespace() => {}
            (At::Quoted(quote), c) if c == quote => {
                at = At::Start;
                keep = value.len();
            }
            (At::Quoted('\''), c) => value.push(c),
            (_, '\\') if escaped == Some(Some('\n')) => {
                while chars.next_if(|(_, c)| *c == '\r').is_some() {}
                chars.next();
                if at == At::Start {
                    at = At::Plain;
                }
            }
            (At::Quoted(_), '\\') => match chars.next_if(|(_, c)| r#""\`$"#.contains(*c)) {
                Some((_, taken)) => value.push(taken),
                None => value.push('\\'),
            },
            (At::Quoted(_), c) => value.push(c),
            (At::Start | At::Plain, c) => {
                at = At::Plain;
                value.push(c);
                if !c.is_whitespace() {
                    keep = value.len();
                }
            }
        }
    }
    if matches!(at, At::Quoted(_)) {
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

    /// What systemd 252 (its reader of environment.d, which is that of `EnvironmentFile`) made of
    /// the same lines.
    #[test]
    fn quotes_and_escapes_are_systemds() {
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
    fn a_bare_backslash_stays_as_the_reference_has_it() {
        assert_eq!(one(r"K=a\bc"), r"a\bc");
        let json = r#"{"https://r":{"password":"p\"w\\"}}"#;
        assert_eq!(one(&format!("ECS_ENGINE_AUTH_DATA={json}\n")), json);
    }

    #[test]
    fn comments_blanks_and_windows_line_ends_are_skipped() {
        let text = "\u{feff}# c\r\n\r\n  A = 1 \r\n;B=2\n# x\\\nC=\"3\"\r\nD=4\\\r\n5\r\n";
        let want = [("A", "1"), ("C", "3"), ("D", "45")];
        assert_eq!(values(text), want.map(|(k, v)| (k, v.to_owned())));
    }

    #[test]
    fn a_bad_line_is_named_and_costs_only_itself() {
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
