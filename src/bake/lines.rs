//! Single lines of a text file.

/// The text with `line` inserted before the first line that contains `before` and is not a comment,
/// or appended; `None` if it already contains the line.
pub(super) fn insert(mut old: Vec<u8>, line: &str, before: Option<&str>) -> Option<Vec<u8>> {
    if old
        .split(|byte| *byte == b'\n')
        .any(|l| l == line.as_bytes())
    {
        return None;
    }
    if old.last().is_some_and(|last| *last != b'\n') {
        old.push(b'\n');
    }
    let mut offset = 0;
    for other in old.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(other);
        if before.is_some_and(|before| text.contains(before)) && !text.starts_with('#') {
            break;
        }
        offset += other.len();
    }
    let added = line.bytes().chain([b'\n']);
    old.splice(offset..offset, added);
    Some(old)
}

/// The text without `line`; `None` if it does not contain the line.
pub(super) fn remove(old: &[u8], line: &str) -> Option<Vec<u8>> {
    let matches = |other: &&[u8]| other.strip_suffix(b"\n").unwrap_or(other) == line.as_bytes();
    let lines = || old.split_inclusive(|byte| *byte == b'\n');
    lines().any(|other| matches(&other)).then(|| {
        let kept = lines().filter(|other| !matches(other));
        kept.flatten().copied().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_inserted_once() {
        for (old, new) in [
            ("", Some("a b\n")),
            ("x\n", Some("x\na b\n")),
            ("x", Some("x\na b\n")),
            ("#a b\na b c\n", Some("#a b\na b c\na b\n")),
            ("x\na b\ny\n", None),
            ("a b", None),
        ] {
            let got = insert(old.into(), "a b", None);
            assert_eq!(got.as_deref(), new.map(str::as_bytes), "{old:?}");
        }
        for (old, new) in [
            ("x\n#y\ny 1\ny 2", "x\n#y\na b\ny 1\ny 2\n"),
            ("x", "x\na b\n"),
        ] {
            let got = insert(old.into(), "a b", Some("y")).unwrap();
            assert_eq!(got, new.as_bytes(), "{old:?}");
        }
    }

    #[test]
    fn only_the_line_is_removed() {
        for (old, new) in [
            ("", None),
            ("x\n#a b\na b c", None),
            ("a b", Some("")),
            ("x\na b\ny", Some("x\ny")),
            ("a b\nx\na b\n", Some("x\n")),
        ] {
            let got = remove(old.as_bytes(), "a b");
            assert_eq!(got.as_deref(), new.map(str::as_bytes), "{old:?}");
        }
    }
}
