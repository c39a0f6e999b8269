//! SIGTERM and SIGINT as a file descriptor (signalfd(2)), so that one `poll` waits for work and
//! for the order to stop, and no handler and no thread is needed.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::check;

/// A request to stop: SIGTERM or SIGINT. Cheap to clone; all clones see the same signal. The signal
/// is never read from the descriptor, so every wait after it returns at once.
#[derive(Debug, Clone)]
pub struct Stop(Option<Arc<OwnedFd>>);

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The descriptor waited for is ready (or hung up: reading it will tell).
    Ready,
    /// The time is over.
    TimedOut,
    /// SIGTERM or SIGINT is pending.
    Interrupted,
}

impl Stop {
    /// A request that never comes: for verbs that leave SIGTERM and SIGINT to their default action.
    #[must_use]
    pub const fn never() -> Stop {
        Stop(None)
    }

    /// Blocks SIGTERM and SIGINT for this process and turns them into a descriptor. To be called
    /// once, before any thread is started (threads inherit the mask).
    ///
    /// # Errors
    /// What sigprocmask(2) or signalfd(2) answered.
    pub fn install() -> io::Result<Stop> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set that it is given, and the other calls get that
        // initialised set; none of them keeps the pointer.
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
        // SAFETY: the kernel just gave us this descriptor and nobody else has it.
        Ok(Stop(Some(Arc::new(unsafe { OwnedFd::from_raw_fd(fd) }))))
    }

    /// Whether the order has come.
    #[must_use]
    pub fn requested(&self) -> bool {
        matches!(
            wait(None, self, Some(Duration::ZERO)),
            Ok(Woken::Interrupted)
        )
    }

    /// Sleeps, unless the order comes first.
    ///
    /// # Errors
    /// What poll(2) answered.
    pub fn sleep(&self, time: Duration) -> io::Result<Woken> {
        wait(None, self, Some(time))
    }
}

/// Another order than a signal: whatever makes the descriptor readable (or hangs it up) means stop.
impl From<OwnedFd> for Stop {
    fn from(fd: OwnedFd) -> Self {
        Stop(Some(Arc::new(fd)))
    }
}

/// Sends SIGTERM to a process.
///
/// # Errors
/// What kill(2) answered: ESRCH (no such process) is none, what was wanted is so.
pub fn terminate(pid: u32) -> io::Result<()> {
    // 0 and negative numbers mean whole groups of processes.
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

/// What is to be done with a descriptor when it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Read from it.
    Read,
    /// Write to it.
    Write,
}

/// Waits until `fd` is ready, the order to stop comes, or the time is over (`None`: no limit).
/// The order to stop wins over data.
///
/// # Errors
/// What poll(2) answered; EINTR is waited through.
pub fn wait(
    fd: Option<(BorrowedFd<'_>, Interest)>,
    stop: &Stop,
    time: Option<Duration>,
) -> io::Result<Woken> {
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
            Ok(0) if left.is_some_and(|l| l.as_millis() >= libc::c_int::MAX as u128) => {}
            Ok(0) => return Ok(Woken::TimedOut),
            Ok(_) if fds[0].revents != 0 => return Ok(Woken::Interrupted),
            Ok(_) => return Ok(Woken::Ready),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
