//! Record locks (fcntl(2), "Advisory record locking"): a lock that the kernel drops when its
//! holder dies, however it dies, and whose holder the kernel can name.

// The C types are wider or narrower than Rust's; the constants fit them all.
#![allow(clippy::cast_possible_truncation, clippy::cast_lossless)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::check;

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody but, perhaps, this process.
    Nobody,
    /// The process of this number, as this process sees it.
    Process(u32),
    /// A process outside this one's PID namespace.
    OutOfSight,
}

/// Locks a file that is open for writing, as a whole, for this process; `false` if another
/// process has it. The lock goes as soon as this process closes *any* descriptor of the file.
///
/// # Errors
/// What fcntl(2) answered.
pub fn try_lock(file: &File) -> io::Result<bool> {
    let lock = whole();
    // SAFETY: F_SETLK reads the flock that it is given, which outlives the call.
    match check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) }) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Who, other than this process, holds a lock on the file.
///
/// # Errors
/// What fcntl(2) answered.
pub fn holder(file: &File) -> io::Result<Holder> {
    let mut lock = whole();
    // SAFETY: F_GETLK reads and writes the flock that it is given, which outlives the call.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) })?;
    if lock.l_type == libc::F_UNLCK as libc::c_short {
        return Ok(Holder::Nobody);
    }
    // 0 or less: a process that has no number here. (kill(2) would take 0 for ourselves.)
    Ok(match u32::try_from(lock.l_pid) {
        Ok(pid) if pid > 0 => Holder::Process(pid),
        _ => Holder::OutOfSight,
    })
}

/// An exclusive lock from the first byte to whatever will be the last.
fn whole() -> libc::flock {
    // SAFETY: flock is plain data, for which all zeros are a valid value: offset 0, length 0
    // ("to the end"), counted from the start (SEEK_SET is 0).
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock
}
