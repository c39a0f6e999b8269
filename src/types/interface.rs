//! The name of a network interface.

use std::fmt;

/// A name that the kernel would give an interface (`dev_valid_name`), and that says the same to
/// iptables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface(String);

/// `IFNAMSIZ` without the NUL.
const LONGEST: usize = 15;

impl Interface {
    /// Checks a name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(name: &str) -> Result<Interface, &'static str> {
        if name.is_empty() || name.len() > LONGEST {
            return Err("an interface's name has 1 to 15 bytes");
        }
        if name == "." || name == ".." {
            return Err("an interface cannot be called \".\" or \"..\"");
        }
        let forbidden = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        if name.contains(forbidden) {
            return Err("an interface's name has no '/', no ':' and no space");
        }
        // To iptables it would mean every interface whose name begins so.
        if name.ends_with('+') {
            return Err("a name that ends with '+' is a pattern to iptables");
        }
        Ok(Interface(name.to_owned()))
    }

    /// Docker's default bridge, unless it was told otherwise.
    #[must_use]
    pub fn docker0() -> Interface {
        Interface("docker0".to_owned())
    }

    /// The loopback interface.
    #[must_use]
    pub fn loopback() -> Interface {
        Interface("lo".to_owned())
    }

    /// The name.
    #[must_use]
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
    fn names() {
        for good in ["docker0", "br-0123456789ab", "a.b", "l\u{f6}"] {
            assert_eq!(Interface::new(good).unwrap().as_str(), good);
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
