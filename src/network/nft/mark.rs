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
/// Its value, with a NUL for those who take it for a string.
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

/// Whether the mark is among what the user data says.
#[must_use]
pub fn is_in(mut data: &[u8]) -> bool {
    while let [kind, length, rest @ ..] = data {
        let Some((value, behind)) = rest.split_at_checked(usize::from(*length)) else {
            return false;
        };
        if *kind == TYPE && value == VALUE {
            return true;
        }
        data = behind;
    }
    false
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
}
