//! SIGTERM and SIGINT as a file descriptor (signalfd(2)): one poll(2) waits for work and for a
//! signal, without a signal handler or a thread.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::errno::check;

/// A stop request: SIGTERM or SIGINT. Clones share one descriptor. The signal is never read from
/// it, so after the signal every wait returns [`WaitResult::Interrupted`] at once.
#[derive(Debug, Clone)]
pub struct Stop(Option<Arc<OwnedFd>>);

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitResult {
    /// The descriptor is ready or was hung up; the next read or write shows which.
    Ready,
    /// The time limit was reached.
    TimedOut,
    /// A stop request is pending.
    Interrupted,
}

impl Stop {
    /// A stop request that never arrives: SIGTERM and SIGINT keep their default action.
    pub const fn never() -> Stop {
        Stop(None)
    }

    /// Blocks SIGTERM and SIGINT for this process and opens a descriptor for them. Must be called
    /// before the first thread is started, because threads inherit the signal mask.
    ///
    /// # Errors
    /// From sigprocmask(2) or signalfd(2).
    pub fn install() -> io::Result<Stop> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set before the other calls read it; no call keeps
        // the pointer.
        let fd = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGTERM);
            libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
            check(libc::sigprocmask(
                libc::SIG_BLOCK,
                set.as_ptr(),
                std::ptr::null_mut(),
            ))?;
            check(libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC))?
        };
        // SAFETY: signalfd returned a new descriptor, which has no other owner.
        Ok(Stop(Some(Arc::new(unsafe { OwnedFd::from_raw_fd(fd) }))))
    }

    /// Whether a stop request is pending.
    pub fn requested(&self) -> bool {
        matches!(
            wait(None, self, Some(Duration::ZERO)),
            Ok(WaitResult::Interrupted)
        )
    }

    /// Sleeps for `time`, or until a stop request arrives.
    ///
    /// # Errors
    /// From poll(2).
    pub fn sleep(&self, time: Duration) -> io::Result<WaitResult> {
        wait(None, self, Some(time))
    }
}

/// A stop request from another source than a signal: the descriptor becomes readable or is hung up.
impl From<OwnedFd> for Stop {
    fn from(fd: OwnedFd) -> Self {
        Stop(Some(Arc::new(fd)))
    }
}

/// Sends SIGTERM to a process. Succeeds if the process does not exist.
///
/// # Errors
/// `InvalidInput` if `pid` is 0 or not a `pid_t`, otherwise from kill(2).
pub fn terminate(pid: u32) -> io::Result<()> {
    // 0 and negative numbers are process groups.
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    if pid == 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: kill(2) takes no pointer.
    match check(unsafe { libc::kill(pid, libc::SIGTERM) }) {
        Err(e) if e.raw_os_error() != Some(libc::ESRCH) => Err(e),
        _ => Ok(()),
    }
}

/// What a descriptor must be ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Reading.
    Read,
    /// Writing.
    Write,
}

/// Waits until `fd` is ready, a stop request arrives or `time` is over (`None`: no limit). A stop
/// request takes precedence over a ready descriptor.
///
/// # Errors
/// From poll(2), except EINTR, which continues the wait.
pub fn wait(
    fd: Option<(BorrowedFd<'_>, Interest)>,
    stop: &Stop,
    time: Option<Duration>,
) -> io::Result<WaitResult> {
    let deadline = time.and_then(|t| Instant::now().checked_add(t));
    let mut fds = [
        libc::pollfd {
            fd: stop.0.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            events: libc::POLLIN,
            revents: 0,
        },
        libc::pollfd {
            fd: fd.map_or(-1, |(fd, _)| fd.as_raw_fd()),
            events: match fd {
                Some((_, Interest::Write)) => libc::POLLOUT,
                _ => libc::POLLIN,
            },
            revents: 0,
        },
    ];
    loop {
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        // Rounded up: a wait of 0.4 ms must not become a busy loop of waits of 0 ms.
        let ms = left.map_or(-1, |l| {
            libc::c_int::try_from(l.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
        });
        // SAFETY: `fds` is an array of two initialised pollfd that outlives the call.
        let ready = unsafe { libc::poll(fds.as_mut_ptr(), 2, ms) };
        match check(ready) {
            // The limit is longer than poll(2) can wait at once.
            Ok(0) if left.is_some_and(|l| l.as_millis() >= libc::c_int::MAX as u128) => {}
            Ok(0) => return Ok(WaitResult::TimedOut),
            Ok(_) if fds[0].revents != 0 => return Ok(WaitResult::Interrupted),
            Ok(_) => return Ok(WaitResult::Ready),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
