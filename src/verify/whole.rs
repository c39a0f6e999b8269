//! Reading a tar as a whole: once to judge it, once more to hand it on, both times hashing.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};

use sequoia_openpgp::crypto::hash::Context;
use sequoia_openpgp::types::HashAlgorithm;

use super::refusal::Reason;
use crate::types::FileTrust;

/// How much of the tar's end [`Rechecked`] keeps to itself until the digest is known.
const HELD_BACK: u64 = 64 * 1024;

/// A SHA-256 digest under way. (Sequoia's, so that the program has one implementation.)
fn sha256() -> io::Result<Context> {
    Ok(HashAlgorithm::SHA256
        .context()
        .map_err(io::Error::other)?
        .for_digest())
}

/// A finished digest, 32 bytes.
fn finish(context: Context) -> io::Result<Vec<u8>> {
    context.into_digest().map_err(io::Error::other)
}

/// The SHA-256 of all that can be read, in lower-case hex, as `sha256sum` prints it.
///
/// # Errors
/// What the reader answered.
pub fn sha256_of(mut data: impl Read) -> io::Result<String> {
    let mut digest = sha256()?;
    io::copy(&mut data, &mut digest)?;
    Ok(hex(&finish(digest)?))
}

/// Lower-case hex.
pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // A String takes everything.
        hex
    })
}

/// Refuses what is no regular file, and a file that somebody else than `custody` says may still
/// write to: they could change it between the check and the use.
pub(super) fn fit_to_judge(file: &File, custody: FileTrust) -> Result<(), Reason> {
    let meta = file.metadata().map_err(Reason::Io)?;
    if !meta.is_file() {
        return Err(Reason::Io(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        )));
    }
    // The owner of /proc/self is the effective user of this process.
    let ours = std::fs::metadata("/proc/self").map_or(0, |m| m.uid());
    let others_write = meta.mode() & 0o022 != 0;
    let known = [0, ours].contains(&meta.uid()) || custody == FileTrust::Owner(meta.uid());
    if custody != FileTrust::Copied && (others_write || !known) {
        return Err(Reason::WritableByOthers {
            owner: meta.uid(),
            mode: meta.mode() & 0o7777,
        });
    }
    Ok(())
}

/// Reads an open file from its first byte to its last, whatever its offset, and hashes on the way.
/// `pread` throughout: the offset is shared with every duplicate of the descriptor.
pub(super) struct Whole<'f> {
    file: &'f File,
    at: u64,
    digest: Context,
}

impl<'f> Whole<'f> {
    pub(super) fn new(file: &'f File) -> io::Result<Self> {
        Ok(Whole {
            file,
            at: 0,
            digest: sha256()?,
        })
    }

    /// Reads what is left; the file's length and its SHA-256.
    pub(super) fn finish(mut self) -> io::Result<(u64, Vec<u8>)> {
        io::copy(&mut self, &mut io::sink())?;
        Ok((self.at, finish(self.digest)?))
    }
}

impl Read for Whole<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.digest.update(&buf[..n]);
        self.at += n as u64;
        Ok(n)
    }
}

/// Whether the file has lost its end, as far as that can be told. A plain tar is whole blocks of
/// 512 bytes, the last two all zero (POSIX.1-2017, pax, "ustar Interchange Format"). Of a
/// compressed one only a complete decompression would tell.
pub(super) fn lost_its_end(file: &File) -> io::Result<bool> {
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

/// Reads a judged tar once more and holds its end back until the digest has come out the same, so
/// that what was changed in between never arrives whole.
pub(super) struct Rechecked<'f> {
    file: &'f File,
    length: u64,
    expected: &'f [u8],
    state: State,
}

enum State {
    /// So many bytes are out.
    Streaming(u64, Context),
    /// The digest was right; the end goes out.
    End(io::Cursor<Vec<u8>>),
    /// It was not. Whoever reads on must not take the error for the end.
    Changed,
}

impl<'f> Rechecked<'f> {
    pub(super) fn new(file: &'f File, length: u64, expected: &'f [u8]) -> io::Result<Self> {
        Ok(Rechecked {
            file,
            length,
            expected,
            state: State::Streaming(0, sha256()?),
        })
    }

    /// Reads the end, from `at` on, and compares.
    fn end(&self, at: u64, mut digest: Context) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.length - at).map_err(io::Error::other)?;
        let mut end = vec![0; left];
        match self.file.read_exact_at(&mut end, at) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(changed()),
            other => other?,
        }
        digest.update(&end);
        if finish(digest)? == self.expected {
            Ok(end)
        } else {
            Err(changed())
        }
    }
}

fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the tar was changed after it was checked; nothing of it is to be used",
    )
}

impl Read for Rechecked<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let free_until = self.length.saturating_sub(HELD_BACK);
        match &mut self.state {
            State::Streaming(at, digest) if *at < free_until => {
                let most = usize::try_from(free_until - *at).unwrap_or(usize::MAX);
                let most = most.min(buf.len());
                let n = self.file.read_at(&mut buf[..most], *at)?;
                if n == 0 && most > 0 {
                    self.state = State::Changed;
                    return Err(changed());
                }
                digest.update(&buf[..n]);
                *at += n as u64;
                return Ok(n);
            }
            State::Streaming(..) => {
                if let State::Streaming(at, digest) =
                    std::mem::replace(&mut self.state, State::Changed)
                {
                    self.state = State::End(io::Cursor::new(self.end(at, digest)?));
                }
            }
            State::End(_) | State::Changed => {}
        }
        match &mut self.state {
            State::End(end) => end.read(buf),
            _ => Err(changed()),
        }
    }
}
