//! One supervisor per host: a locked file. The holder of the lock is the process that `stop`
//! signals.
//!
//! The kernel releases the lock (`F_SETLK`) when its process ends, even by SIGKILL: locks are never
//! stale. The kernel also reports the holder, so the file's content does not matter. An abstract
//! socket is not suitable: any user, or a task on the host's network, could bind its name.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::fs::create_directory;
use crate::sys::file::open_private;
use crate::sys::lock::{Holder, holder, try_lock};
use crate::sys::signal::terminate;
use crate::types::Root;

/// The locked file. It is never removed; its presence has no meaning.
pub const PATH: &str = "/run/ecs-init.lock";

/// How long a supervisor may take to stop: the agent has 10 s, dockerd needs some more.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// The lock of this host's supervisor, released when dropped.
#[derive(Debug)]
pub struct Lock {
    /// `None`: the file could not be created, and the supervisor runs without a lock.
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock. If the file cannot be created (a read-only `/run`), it logs a warning: an
    /// agent without the lock is better than no agent.
    ///
    /// # Errors
    /// Another process has the lock; the error names it.
    pub fn acquire(root: &Root) -> Result<Lock> {
        let path = root.at(PATH);
        let file = match open(&path).and_then(|file| Ok((try_lock(&file)?, file))) {
            Ok((true, file)) => Some(file),
            Ok((false, file)) => return Err(already_locked(&path, &file)),
            Err(e) => {
                log::warn!(
                    "lock {}: {e}; a second supervisor would not be detected",
                    path.display()
                );
                None
            }
        };
        Ok(Lock { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        create_directory(dir, 0o755)?;
    }
    open_private(path)
}

fn already_locked(path: &Path, file: &File) -> Error {
    let holder = match holder(file) {
        Ok(Holder::Process(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    };
    Error::unavailable(format!(
        "{holder} supervises the agent already (it holds {}): stop it with `ecs-init stop`",
        path.display()
    ))
}

/// Sends SIGTERM to the supervisor, if there is one, and waits until it has ended.
///
/// # Errors
/// It cannot be signalled, or does not end in time.
pub fn stop_supervisor(root: &Root) -> Result<()> {
    let path = root.at(PATH);
    // Without the file, no supervisor has the lock.
    let Ok(file) = File::open(&path) else {
        return Ok(());
    };
    let start = Instant::now();
    let mut signalled = None;
    loop {
        let holder = holder(&file).context(|| format!("find the holder of {}", path.display()))?;
        let pid = match holder {
            Holder::None => return Ok(()),
            Holder::Process(pid) => pid,
            Holder::OtherNamespace => {
                log::warn!(
                    "a process of another PID namespace holds {}; it cannot be stopped",
                    path.display()
                );
                return Ok(());
            }
        };
        // The kernel has just reported the PID: it is not reused before the signal.
        if signalled != Some(pid) {
            log::info!("stopping the supervisor, process {pid}");
            terminate(pid).context(|| format!("send SIGTERM to the supervisor, process {pid}"))?;
            signalled = Some(pid);
        }
        if start.elapsed() > STOP_TIMEOUT {
            return Err(Error::unavailable(format!(
                "the supervisor, process {pid}, still runs {} s after SIGTERM",
                STOP_TIMEOUT.as_secs()
            )));
        }
        thread::sleep(Duration::from_millis(50));
    }
}
