//! Record locks (fcntl(2), "Advisory record locking"). The kernel releases such a lock when the
//! process that holds it exits, and reports the PID of that process.

// The constants fit the C types, which differ in width between C libraries.
#![allow(clippy::cast_possible_truncation, clippy::cast_lossless)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::errno::check;

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// No other process.
    None,
    /// The process with this PID.
    Process(u32),
    /// A process outside of this one's PID namespace.
    OtherNamespace,
}

/// Locks a whole file, which must be open for writing; `false` if another process holds the lock.
/// The lock is released when this process closes *any* descriptor of the file.
///
/// # Errors
/// From fcntl(2).
pub fn try_lock(file: &File) -> io::Result<bool> {
    let lock = whole_file_lock();
    // SAFETY: F_SETLK reads `lock`, which is initialised and outlives the call.
    match check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) }) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Which other process holds a lock on the file.
///
/// # Errors
/// From fcntl(2).
pub fn holder(file: &File) -> io::Result<Holder> {
    let mut lock = whole_file_lock();
    // SAFETY: F_GETLK reads and writes `lock`, which is initialised and outlives the call.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) })?;
    if lock.l_type == libc::F_UNLCK as libc::c_short {
        return Ok(Holder::None);
    }
    // 0 or less: the process has no PID in this namespace.
    Ok(match u32::try_from(lock.l_pid) {
        Ok(pid) if pid > 0 => Holder::Process(pid),
        _ => Holder::OtherNamespace,
    })
}

/// An exclusive lock from the first byte to the end of the file, including later growth.
fn whole_file_lock() -> libc::flock {
    // SAFETY: all-zero is a valid flock: offset 0, length 0
    // ("to the end"), counted from the start (SEEK_SET is 0).
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock
}
