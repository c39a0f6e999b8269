//! The file systems that programs expect and the kernel does not mount.

use super::log_error;
use crate::sys::{self, MountFlags};
use std::fs;
use std::io;

/// Source and type, target, options.
const MOUNTS: [(&str, &str, &str); 9] = [
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", ""),
    ("devpts", "/dev/pts", "mode=620,gid=5"),
    ("mqueue", "/dev/mqueue", ""),
    ("tmpfs", "/dev/shm", "mode=1777"),
    ("tmpfs", "/run", "mode=755"),
    ("tmpfs", "/tmp", "mode=1777"),
    ("cgroup2", "/sys/fs/cgroup", ""),
];

/// Mounts all that the initramfs has not mounted.
pub fn all() {
    for (kind, target, options) in MOUNTS {
        log_error(target, one(kind, target, options).as_ref().err());
    }
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
    ] {
        if fs::symlink_metadata(link).is_err() {
            let made = std::os::unix::fs::symlink(target, link);
            log_error(link, made.as_ref().err());
        }
    }
}

fn one(kind: &str, target: &str, options: &str) -> io::Result<()> {
    fs::create_dir_all(target)?;
    match sys::mount(kind, target, kind, MountFlags::NONE, options) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Ok(()),
        other => other,
    }
}

/// Remounts the root read-only, so that it is consistent at the next boot.
///
/// # Errors
/// Of `mount(2)`: `EBUSY` while a file is open for writing.
pub fn freeze() -> io::Result<()> {
    sys::mount("", "/", "", MountFlags::REMOUNT_READ_ONLY, "")
}
