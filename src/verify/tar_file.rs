//! Reads a tar twice, with a SHA-256 each time: to verify it, and to use it afterwards.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};

use super::VerifyError;
use crate::fs::{Digest, Sha256};
use crate::types::FileTrust;

/// How many bytes at the end of the tar [`VerifyingReader`] returns only if the digest matches.
const HELD_BACK: u64 = 64 * 1024;

/// Rejects what is not a regular file, and a file that users outside of `trust` may write to: they
/// could change it between verification and use.
pub(super) fn check_file(file: &File, trust: FileTrust) -> Result<(), VerifyError> {
    let meta = file.metadata().map_err(VerifyError::Io)?;
    if !meta.is_file() {
        return Err(VerifyError::NotAFile);
    }
    // The owner of /proc/self is the effective user of this process.
    let own_uid = std::fs::metadata("/proc/self").map_or(0, |m| m.uid());
    let others_write = meta.mode() & 0o022 != 0;
    let trusted_owner = [0, own_uid].contains(&meta.uid()) || trust == FileTrust::Owner(meta.uid());
    if trust != FileTrust::Copied && (others_write || !trusted_owner) {
        return Err(VerifyError::WritableByOthers {
            owner: meta.uid(),
            mode: meta.mode() & 0o7777,
        });
    }
    Ok(())
}

/// Whether a tar is recognizably truncated. An uncompressed one consists of 512-byte blocks, the
/// last two all zero (POSIX.1-2017, pax, "ustar Interchange Format"). A compressed one would have
/// to be decompressed.
pub(super) fn is_truncated(file: &File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(true);
    }
    let mut magic = [0; 5];
    if length < 262 || file.read_exact_at(&mut magic, 257).is_err() || &magic != b"ustar" {
        return Ok(false);
    }
    let mut end = [0xff; 1024];
    if length % 512 != 0 || length < 1024 {
        return Ok(true);
    }
    file.read_exact_at(&mut end, length - 1024)?;
    Ok(end.iter().any(|&b| b != 0))
}

/// Reads and hashes an open file from its first byte, with pread(2): duplicates of the descriptor
/// share the file offset.
pub(super) struct HashingReader<'f> {
    file: &'f File,
    offset: u64,
    digest: Sha256,
}

impl<'f> HashingReader<'f> {
    pub(super) fn new(file: &'f File) -> io::Result<Self> {
        Ok(HashingReader {
            file,
            offset: 0,
            digest: Sha256::new()?,
        })
    }

    /// Reads the rest; returns the file's length and its digest.
    pub(super) fn finish(mut self) -> io::Result<(u64, Digest)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.offset, self.digest.finish()?))
    }
}

impl Read for HashingReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.offset)?;
        self.digest.update(&buf[..n]);
        self.offset += n as u64;
        Ok(n)
    }
}

/// Reads a verified tar again. Returns its last bytes only if the digest of the whole file matches:
/// the content of a changed file is never returned completely.
pub(super) struct VerifyingReader<'f> {
    file: &'f File,
    length: u64,
    expected: &'f Digest,
    state: ReadState,
}

enum ReadState {
    /// The offset, and the digest up to it.
    Start(u64, Sha256),
    /// The digest matched; the end is returned.
    End(io::Cursor<Vec<u8>>),
    /// The digest did not match. Every further read fails: returning 0 would mean the end of the
    /// file.
    Changed,
}

impl<'f> VerifyingReader<'f> {
    pub(super) fn new(file: &'f File, length: u64, expected: &'f Digest) -> io::Result<Self> {
        Ok(VerifyingReader {
            file,
            length,
            expected,
            state: ReadState::Start(0, Sha256::new()?),
        })
    }

    /// Reads from `offset` to the end, and compares the digest.
    fn read_end(&self, offset: u64, mut digest: Sha256) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.length - offset).map_err(io::Error::other)?;
        let mut end = vec![0; left];
        match self.file.read_exact_at(&mut end, offset) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(changed()),
            other => other?,
        }
        digest.update(&end);
        if digest.finish()? == *self.expected {
            Ok(end)
        } else {
            Err(changed())
        }
    }
}

fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the tar was changed after it was verified",
    )
}

impl Read for VerifyingReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let held_back_from = self.length.saturating_sub(HELD_BACK);
        match &mut self.state {
            ReadState::Start(offset, digest) if *offset < held_back_from => {
                let most = usize::try_from(held_back_from - *offset).unwrap_or(usize::MAX);
                let most = most.min(buf.len());
                let n = self.file.read_at(&mut buf[..most], *offset)?;
                if n == 0 && most > 0 {
                    self.state = ReadState::Changed;
                    return Err(changed());
                }
                digest.update(&buf[..n]);
                *offset += n as u64;
                return Ok(n);
            }
            ReadState::Start(..) => {
                if let ReadState::Start(offset, digest) =
                    std::mem::replace(&mut self.state, ReadState::Changed)
                {
                    self.state = ReadState::End(io::Cursor::new(self.read_end(offset, digest)?));
                }
            }
            ReadState::End(_) | ReadState::Changed => {}
        }
        match &mut self.state {
            ReadState::End(end) => end.read(buf),
            _ => Err(changed()),
        }
    }
}
