//! One supervisor to a host: a lock on a file, and what `stop` does with it.
//!
//! The lock is the kernel's (`F_SETLK`): it goes with the process that holds it, even one that
//! was killed, so there is no stale lock; the kernel names the holder, so nothing in the file
//! has to be believed. A file that only root can open, rather than an abstract socket: that name
//! could be taken by any user, and by a task on the host's network.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Kind, Result};
use crate::sys::file::open_private;
use crate::sys::lock::{Holder, holder, try_lock};
use crate::sys::signal::terminate;
use crate::types::Root;

/// The file. It stays behind, empty; its presence says nothing.
pub const PATH: &str = "/run/ecs-init.lock";

/// What a supervisor that was told to stop may take: the agent's ten seconds, dockerd's margin.
const ENDING: Duration = Duration::from_secs(60);

/// Being the supervisor of this host, until this is dropped.
#[derive(Debug)]
pub struct Lock {
    /// `None`: there is no place for a lock, and it is done without.
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock. Where no file can be written (a read-only `/run`) a warning is all: an
    /// agent without protection from a second supervisor is better than no agent.
    ///
    /// # Errors
    /// If there is another supervisor: it is named.
    pub fn take(root: &Root) -> Result<Lock> {
        let path = root.at(PATH);
        let file = match open(&path).and_then(|file| Ok((try_lock(&file)?, file))) {
            Ok((true, file)) => Some(file),
            Ok((false, file)) => return Err(taken(&path, &file)),
            Err(e) => {
                log::warn!(
                    "{}: {e}; a second start on this host would go unnoticed",
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
        fs::create_dir_all(dir)?;
    }
    open_private(path)
}

fn taken(path: &Path, file: &File) -> Error {
    let who = match holder(file) {
        Ok(Holder::Process(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    };
    Error::new(
        Kind::InvalidInput,
        format!(
            "{who} supervises the agent already (it holds {}): end it first, with `ecs-init stop`",
            path.display()
        ),
    )
}

/// Tells the supervisor, if there is one, to stop its agent and end, by SIGTERM, and waits until
/// it has.
///
/// # Errors
/// If it may not be signalled, or does not end in time.
pub fn end_supervisor(root: &Root) -> Result<()> {
    let path = root.at(PATH);
    // No file, no supervisor; one that found no place for its lock cannot be found.
    let Ok(file) = File::open(&path) else {
        return Ok(());
    };
    let who = || holder(&file).context(|| format!("ask who holds {}", path.display()));
    let start = Instant::now();
    let mut told = None;
    loop {
        let pid = match who()? {
            Holder::None => return Ok(()),
            Holder::Process(pid) => pid,
            Holder::OtherNamespace => {
                log::warn!(
                    "{} is held by a process of another PID namespace, which cannot be told to stop",
                    path.display()
                );
                return Ok(());
            }
        };
        // Just asked: between the kernel's answer and the signal no number is given anew.
        if told != Some(pid) {
            log::info!("telling the supervisor, process {pid}, to stop");
            terminate(pid).context(|| format!("send SIGTERM to the supervisor, process {pid}"))?;
            told = Some(pid);
        }
        if start.elapsed() > ENDING {
            return Err(Error::new(
                Kind::InvalidInput,
                format!(
                    "the supervisor, process {pid}, had not ended {} s after its SIGTERM",
                    ENDING.as_secs()
                ),
            ));
        }
        thread::sleep(Duration::from_millis(50));
    }
}
