//! INI files: `[section]` lines, and `key = value` lines below them.

/// One `key = value` line; nothing is unquoted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// The name of the section; empty before the first.
    pub(crate) section: &'a str,
    /// The text before the first `=`.
    pub(crate) key: &'a str,
    /// The text after it.
    pub(crate) value: &'a str,
}

/// The entries of a text, in its order. Comments (`#`, `;`) and other lines are skipped.
pub(crate) fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            return None;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.split(']').next().unwrap_or_default().trim();
            return None;
        }
        let (key, value) = line.split_once('=')?;
        Some(Entry {
            section,
            key: key.trim(),
            value: value.trim(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_comments_and_spaces() {
        let text = "a=1\n# b=2\n[ one ]\r\n c = x=y \r\nno entry\n[two\n;d=1\ne=\n";
        let found: Vec<_> = entries(text).map(|e| (e.section, e.key, e.value)).collect();
        assert_eq!(
            found,
            [("", "a", "1"), ("one", "c", "x=y"), ("two", "e", "")]
        );
    }
}
