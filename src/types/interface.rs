//! The name of a network interface.

use std::fmt;

use crate::error::{Error, Result};

/// An interface name that the kernel accepts (`dev_valid_name`), and that iptables does not read
/// as a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface(String);

/// `IFNAMSIZ` without the NUL, in bytes.
const MAX_LENGTH: usize = 15;

impl Interface {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::error::Kind::InvalidInput).
    pub fn new(name: &str) -> Result<Interface> {
        let forbidden = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        let why = if name.is_empty() || name.len() > MAX_LENGTH {
            "it must have 1 to 15 bytes"
        } else if name == "." || name == ".." || name.contains(forbidden) {
            "it must not be '.' or '..', or contain '/', ':' or a space"
        } else if name.ends_with('+') {
            "iptables reads a name that ends with '+' as a pattern"
        } else {
            return Ok(Interface(name.to_owned()));
        };
        let context = format!("not an interface name: {name:?}: {why}");
        Err(Error::invalid(context))
    }

    /// Docker's default bridge, unless configured otherwise.
    pub fn docker0() -> Interface {
        Interface("docker0".to_owned())
    }

    /// The loopback interface.
    pub fn loopback() -> Interface {
        Interface("lo".to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Interface;

    #[test]
    fn valid_and_invalid_names() {
        for name in ["docker0", "br-0123456789ab", "a.b", "l\u{f6}"] {
            assert_eq!(Interface::new(name).unwrap().as_str(), name);
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a b",
            "a:1",
            "br-+",
            "0123456789abcdef",
            "a\0",
        ] {
            assert!(Interface::new(bad).is_err(), "{bad:?}");
        }
    }
}
