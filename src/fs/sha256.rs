//! SHA-256, computed by Sequoia: the binary has one implementation.

use std::fmt;
use std::io::{self, Read, Write};

use sequoia_openpgp::crypto::hash::Context;
use sequoia_openpgp::fmt::hex;
use sequoia_openpgp::types::HashAlgorithm;

/// A SHA-256 digest. Displayed in lower-case hex, as by sha256sum(1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest(Vec<u8>);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0).to_lowercase())
    }
}

/// A SHA-256 computation. Hashes what is written to it.
pub(crate) struct Sha256(Context);

impl Sha256 {
    /// Starts a computation.
    ///
    /// # Errors
    /// Sequoia was built without SHA-256.
    pub(crate) fn new() -> io::Result<Self> {
        let context = HashAlgorithm::SHA256.context().map_err(io::Error::other)?;
        Ok(Sha256(context.for_digest()))
    }

    /// Hashes more bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes.
    ///
    /// # Errors
    /// As [`Sha256::new`].
    pub(crate) fn finish(self) -> io::Result<Digest> {
        let digest = self.0.into_digest().map_err(io::Error::other)?;
        Ok(Digest(digest))
    }
}

impl Write for Sha256 {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The digest of everything in a reader.
///
/// # Errors
/// The reader's error.
pub fn sha256(mut data: impl Read) -> io::Result<Digest> {
    let mut digest = Sha256::new()?;
    io::copy(&mut data, &mut digest)?;
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_of_abc() {
        // FIPS 180-4, example of one block.
        let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&b"abc"[..]).unwrap().to_string(), want);
    }
}
