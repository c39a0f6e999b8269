//! Properties of open file descriptors.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::linux::fs::MetadataExt;

use super::errno::check;

/// Whether the process was started with stderr closed. Rust's runtime then opens `/dev/null` in its
/// place, read-write; a shell redirection to `/dev/null` is write-only.
pub fn stderr_was_closed() -> bool {
    let stderr = std::io::stderr();
    // SAFETY: F_GETFL takes no pointer; a closed descriptor gives EBADF.
    let flags = check(unsafe { libc::fcntl(stderr.as_raw_fd(), libc::F_GETFL) });
    let Ok(flags) = flags else {
        return true;
    };
    if flags & libc::O_ACCMODE != libc::O_RDWR {
        return false;
    }
    // SAFETY: fcntl succeeded, so the descriptor is open; ManuallyDrop does not close it.
    let file = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(stderr.as_raw_fd()) });
    // /dev/null is character device 1:3 (Documentation/admin-guide/devices.txt).
    file.metadata()
        .is_ok_and(|m| m.st_rdev() == libc::makedev(1, 3))
}
