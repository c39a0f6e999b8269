//! The mark in the user data of each table, chain and rule that this program creates.
//!
//! User data is stored by the kernel for user space. By convention (libnftnl, `udata.h`) it is a
//! list of entries: type (1 byte), length (1 byte), value. Readers skip unknown types. iptables-nft
//! and nft use the types 0 to 7; type 0 is a comment, which iptables prints.
//!
//! Kernels before 5.10 store user data of rules only. Tables and chains then have no mark, and
//! remain empty after an undo.

/// The type of the mark's entry.
const MARK_TYPE: u8 = 0xec;
/// The type of the entry with a rule's text.
const TEXT_TYPE: u8 = 0xed;
/// The mark's value, NUL-terminated for tools that print it as a string.
const MARK: &[u8] = b"ecs-init\0";
/// The largest user data that this program writes, in bytes. The kernel's limit is 256.
const SIZE_LIMIT: usize = 242;

/// User data with the mark.
pub(super) fn mark() -> Vec<u8> {
    let mut data = Vec::new();
    push(&mut data, MARK_TYPE, MARK);
    data
}

/// User data with the mark and a rule's text in nft syntax, for rules in the dedicated table. Rules
/// are compared by this text: another program that changes a rule writes other user data. A text
/// that is too long is truncated, and the rule is written again at each apply.
pub(super) fn mark_with_text(text: &str) -> Vec<u8> {
    let mut data = mark();
    let text = text.as_bytes();
    push(
        &mut data,
        TEXT_TYPE,
        &text[..text.len().min(SIZE_LIMIT - 2 - mark().len())],
    );
    data
}

/// Appends an entry; `value` has less than 256 bytes.
fn push(data: &mut Vec<u8>, kind: u8, value: &[u8]) {
    data.push(kind);
    data.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
    data.extend(value);
}

/// Whether user data has the mark.
pub(super) fn has_mark(data: &[u8]) -> bool {
    entry(data, MARK_TYPE) == Some(MARK)
}

/// The text that [`mark_with_text`] wrote.
pub(super) fn text(data: &[u8]) -> Option<&str> {
    has_mark(data).then_some(())?;
    std::str::from_utf8(entry(data, TEXT_TYPE)?).ok()
}

/// The value of the first entry of a type.
fn entry(mut data: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [kind, length, rest @ ..] = data {
        let (value, following) = rest.split_at_checked(usize::from(*length))?;
        if *kind == wanted {
            return Some(value);
        }
        data = following;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_is_found_among_other_entries_only_if_complete() {
        assert!(has_mark(&mark()));
        let comment = [&[0, 2, b'x', 0][..], &mark()].concat();
        assert!(has_mark(&comment));
        for other in [
            &[][..],
            &[0],
            &[0, 9, 1],
            &[MARK_TYPE, 1, 0],
            b"\x00\x09ecs-init\0",
        ] {
            assert!(!has_mark(other), "{other:?}");
        }
        assert!(!has_mark(&mark()[..5]));
    }

    #[test]
    fn rule_text_is_read_back_unless_it_was_cut() {
        assert_eq!(text(&mark_with_text("drop")), Some("drop"));
        assert_eq!(text(&mark()), None);
        assert_eq!(text(&[TEXT_TYPE, 1, b'x']), None);
        let long = "x".repeat(300);
        assert!(mark_with_text(&long).len() <= SIZE_LIMIT);
        assert_ne!(text(&mark_with_text(&long)), Some(&*long));
    }
}
