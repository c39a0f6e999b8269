//! System calls that the standard library does not have; the only `unsafe` code of this crate.

mod mounts;
pub mod netfilter;
mod network;

pub use mounts::{MountFlags, mount, pivot_root, switch_root};
pub use network::{default_route, interface_address, interface_up};

use crate::driver::process::Exit;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

fn checked(done: libc::c_int) -> io::Result<libc::c_int> {
    if done < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(done)
    }
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a NUL in a name"))
}

/// Writes a message to the console, for the harness's log.
pub fn console(message: &str) {
    // Standard error is the console in a guest and the harness's log elsewhere.
    let _ = writeln!(io::stderr(), "driver: {message}");
}

/// Sends a signal.
///
/// # Errors
/// Errors of `kill(2)`.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    checked(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Waits until a child has exited and returns its PID without reaping it.
///
/// # Errors
/// `ECHILD` without a child.
pub fn zombie() -> io::Result<i32> {
    // SAFETY: all zeroes is a valid siginfo_t.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOWAIT;
    // SAFETY: `info` is valid for writes for the length of the call.
    checked(unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, flags) })?;
    // SAFETY: waitid succeeded, so the child's fields are the ones that are set.
    Ok(unsafe { info.si_pid() })
}

/// Reaps a child; `None` if it has not exited.
///
/// # Errors
/// `ECHILD` if it is not a child.
pub fn reap(pid: i32) -> io::Result<Option<Exit>> {
    let mut status = 0;
    // SAFETY: `status` is valid for writes for the length of the call.
    if checked(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) })? == 0 {
        return Ok(None);
    }
    Ok(Some(if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    }))
}

/// Blocked signals, received by `wait`.
pub struct Signals(libc::sigset_t);

impl Signals {
    /// Blocks these signals for this thread and the threads it starts.
    ///
    /// # Errors
    /// Errors of `pthread_sigmask(3)`.
    pub fn block(signals: &[libc::c_int]) -> io::Result<Self> {
        // SAFETY: sigemptyset initialises the set before it is used.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: `set` is valid for writes.
        checked(unsafe { libc::sigemptyset(&raw mut set) })?;
        for signal in signals {
            // SAFETY: `set` is initialised and valid for writes.
            checked(unsafe { libc::sigaddset(&raw mut set, *signal) })?;
        }
        // SAFETY: `set` is initialised; the old mask is not requested.
        match unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut())
        } {
            0 => Ok(Self(set)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    /// Errors of `sigwait(3)`.
    pub fn wait(&self) -> io::Result<libc::c_int> {
        let mut signal = 0;
        // SAFETY: both pointers are valid for the length of the call.
        match unsafe { libc::sigwait(&raw const self.0, &raw mut signal) } {
            0 => Ok(signal),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Starts the program without blocked signals: a child inherits the mask of [`Signals::block`].
pub fn unblock_in(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and calls only sigemptyset and sigprocmask,
    // which are async-signal-safe, on its own set.
    unsafe {
        command.pre_exec(|| {
            let mut set: libc::sigset_t = std::mem::zeroed();
            checked(libc::sigemptyset(&raw mut set))?;
            let none = std::ptr::null_mut();
            checked(libc::sigprocmask(libc::SIG_SETMASK, &raw const set, none)).map(drop)
        });
    }
}

/// Loads a kernel module unless it is loaded.
///
/// # Errors
/// Errors of `init_module(2)`.
pub fn load_module(image: &[u8]) -> io::Result<()> {
    // SAFETY: the image is valid for its length; the options are an empty string.
    let done = unsafe {
        libc::syscall(
            libc::SYS_init_module,
            image.as_ptr(),
            image.len(),
            c"".as_ptr(),
        )
    };
    if done == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        error => Err(error),
    }
}

/// Sets the clock to whole seconds since 1970.
///
/// # Errors
/// Errors of `clock_settime(2)`.
pub fn set_clock(seconds: i64) -> io::Result<()> {
    // SAFETY: all zeroes is a valid timespec.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    time.tv_sec = seconds as _;
    // SAFETY: `time` is valid for reads.
    checked(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) }).map(drop)
}

/// Sets the hostname.
///
/// # Errors
/// Errors of writing the sysctl.
pub fn set_hostname(name: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .open("/proc/sys/kernel/hostname")?
        .write_all(name.as_bytes())
}

/// Drops a block device's pages from the page cache.
///
/// # Errors
/// Errors of the `BLKFLSBUF` ioctl.
pub fn forget_blocks(device: &File) -> io::Result<()> {
    /// `_IO(0x12, 97)` of linux/fs.h.
    const BLKFLSBUF: u32 = 0x1261;
    // SAFETY: this ioctl takes no argument.
    checked(unsafe { libc::ioctl(device.as_raw_fd(), BLKFLSBUF as _) }).map(drop)
}

/// Executes another program in place of this one.
///
/// # Errors
/// Errors of `execve(2)`; on success it does not return.
pub fn execute(program: &str, arguments: &[&str]) -> io::Result<()> {
    Err(Command::new(program).args(arguments).exec())
}

/// Writes cached file data to disk.
pub fn sync() {
    // SAFETY: it has no arguments and cannot fail.
    unsafe { libc::sync() }
}

/// How to end the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    Restart,
    PowerOff,
}

/// Ends the machine at once.
///
/// # Errors
/// Errors of `reboot(2)`; on success it does not return.
pub fn end_machine(ending: Ending) -> io::Result<()> {
    let how = match ending {
        Ending::Restart => libc::RB_AUTOBOOT,
        Ending::PowerOff => libc::RB_POWER_OFF,
    };
    // SAFETY: no pointers are passed.
    checked(unsafe { libc::reboot(how) }).map(drop)
}
