//! Safe wrappers around system calls: the only `unsafe` of the program. They decide nothing.

pub mod fd;
pub mod file;
pub mod lock;
pub mod netlink;
pub mod random;
pub mod resolve;
pub mod signal;
pub mod socket;

/// Converts a system call's return value: -1 becomes the error in `errno`.
fn check(ret: libc::c_int) -> std::io::Result<libc::c_int> {
    if ret == -1 {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}
