//! Mounts and changes of the root.

use super::{c_string, checked};
use std::io;
use std::path::Path;
use std::ptr::null;

/// The used flags of `mount(2)`.
#[derive(Clone, Copy)]
pub struct MountFlags(libc::c_ulong);

impl MountFlags {
    pub const NONE: Self = Self(0);
    pub const READ_ONLY: Self = Self(libc::MS_RDONLY);
    pub const BIND: Self = Self(libc::MS_BIND);
    pub const BIND_ALL: Self = Self(libc::MS_BIND | libc::MS_REC);
    pub const MOVE: Self = Self(libc::MS_MOVE);
    pub const REMOUNT_READ_ONLY: Self = Self(libc::MS_REMOUNT | libc::MS_RDONLY);
}

/// Mounts a file system.
///
/// # Errors
/// Errors of `mount(2)`.
pub fn mount(
    source: &str,
    target: &str,
    kind: &str,
    flags: MountFlags,
    options: &str,
) -> io::Result<()> {
    let (source, target) = (c_string(source)?, c_string(target)?);
    let (kind, options) = (c_string(kind)?, c_string(options)?);
    // SAFETY: all four are NUL-terminated strings that outlive the call.
    checked(unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags.0,
            options.as_ptr().cast(),
        )
    })
    .map(drop)
}

/// Switches from the initramfs, which cannot be unmounted, to a mounted root.
///
/// # Errors
/// Errors of changing directory, moving the mount or `chroot(2)`.
pub fn switch_root(new: &str) -> io::Result<()> {
    std::env::set_current_dir(new)?;
    mount(".", "/", "", MountFlags::MOVE, "")?;
    std::os::unix::fs::chroot(".")?;
    std::env::set_current_dir("/")
}

/// Makes a mount the root of this mount namespace and unmounts the old one.
///
/// # Errors
/// Errors of changing directory, `pivot_root(2)` or `umount2(2)`.
pub fn pivot_root(new: &str) -> io::Result<()> {
    std::env::set_current_dir(Path::new(new))?;
    // SAFETY: both are NUL-terminated strings. With "." for both, the old root
    // is stacked over the new one, pivot_root(2), NOTES.
    let done = unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a NUL-terminated string.
    checked(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) })?;
    std::env::set_current_dir("/")?;
    // A new peer group: containers' mounts do not propagate to the machine.
    // SAFETY: only the target is used, and it is a NUL-terminated string.
    checked(unsafe {
        libc::mount(
            null(),
            c"/".as_ptr(),
            null(),
            libc::MS_REC | libc::MS_SHARED,
            null(),
        )
    })
    .map(drop)
}
