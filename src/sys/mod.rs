//! The only `unsafe` and the only libc of the program. Everything here is a thin, safe wrapper:
//! no decision is taken below this line.

pub mod fd;
pub mod file;
pub mod lock;
pub mod netlink;
pub mod random;
pub mod resolve;
pub mod signal;
pub mod socket;

/// The kernel's answer to a system call: its return value, or the error in `errno`.
fn check(ret: libc::c_int) -> std::io::Result<libc::c_int> {
    if ret == -1 {
        Err(std::io::Error::last_os_error())
    } else {
        Ok(ret)
    }
}
