//! How we know our own: a mark in the user data of each rule, chain and table that we make.
//!
//! User data is bytes that the kernel keeps for user space and does not read. By convention
//! (libnftnl, `udata.h`) it is a list of type, length, value, each of the first two one byte, and
//! a reader passes over types that it does not know. iptables-nft and nft know 0 to 7 at most, of
//! which 0 is a comment that iptables would print; ours is far away from those.
//!
//! Kernels before 5.10 know user data of rules only. There a table or chain that we made carries
//! no mark, and stays, empty, after an undo.

/// The type of our entry.
const TYPE: u8 = 0xec;
/// The type of the entry for a rule's words.
const WORDS: u8 = 0xed;
/// The mark's value, with a NUL for those who take it for a string.
const VALUE: &[u8] = b"ecs-init\0";

/// The user data that we write.
#[must_use]
pub fn write() -> Vec<u8> {
    // The value is shorter than 256 bytes, as can be seen.
    #[allow(clippy::cast_possible_truncation)]
    let mut data = vec![TYPE, VALUE.len() as u8];
    data.extend(VALUE);
    data
}

/// The user data of a rule in a table of our own: the mark, and the rule in words. Who reads it
/// back knows what the rule says; a program that alters the rule writes its own user data.
#[must_use]
pub fn write_with(words: &str) -> Vec<u8> {
    let mut data = write();
    // The kernel takes 256 bytes in all. Words that were cut are not read back as what they were,
    // and the rule is written anew each time.
    let fits = words.as_bytes();
    let fits = &fits[..fits.len().min(240 - data.len())];
    data.push(WORDS);
    data.push(u8::try_from(fits.len()).unwrap_or(0));
    data.extend(fits);
    data
}

/// Whether the mark is among what the user data says.
#[must_use]
pub fn is_in(data: &[u8]) -> bool {
    entry(data, TYPE) == Some(VALUE)
}

/// The words that [`write_with`] wrote.
#[must_use]
pub fn words(data: &[u8]) -> Option<&str> {
    is_in(data).then_some(())?;
    std::str::from_utf8(entry(data, WORDS)?).ok()
}

/// The value of the first entry of a type.
fn entry(mut data: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [kind, length, rest @ ..] = data {
        let (value, behind) = rest.split_at_checked(usize::from(*length))?;
        if *kind == wanted {
            return Some(value);
        }
        data = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_mark_is_found_beside_others_and_in_nothing_else() {
        assert!(is_in(&write()));
        let comment = [&[0, 2, b'x', 0][..], &write()].concat();
        assert!(is_in(&comment));
        for other in [
            &[][..],
            &[0],
            &[0, 9, 1],
            &[TYPE, 1, 0],
            b"\x00\x09ecs-init\0",
        ] {
            assert!(!is_in(other), "{other:?}");
        }
        assert!(!is_in(&write()[..5]));
    }

    #[test]
    fn words_are_read_back_whole_or_not_as_what_they_were() {
        assert_eq!(words(&write_with("drop")), Some("drop"));
        assert_eq!(words(&write()), None);
        assert_eq!(words(&[WORDS, 1, b'x']), None);
        let long = "x".repeat(300);
        assert!(write_with(&long).len() <= 256);
        assert_ne!(words(&write_with(&long)), Some(&*long));
    }
}
