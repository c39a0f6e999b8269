//! Child processes. Process 1 also reaps orphans, whose statuses it must not mix with its
//! children's.

use crate::sys;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A child's exit status.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

/// A child's command line and environment.
pub struct Spec<'a> {
    pub argv: &'a [String],
    pub env: &'a [(String, String)],
    pub cwd: Option<&'a str>,
    /// Files to which standard output and error are appended.
    pub stdout: &'a str,
    pub stderr: &'a str,
}

type Children = HashMap<i32, Option<Exit>>;

/// The children of this process by PID.
#[derive(Clone)]
pub struct Table(Arc<(Mutex<Children>, Condvar)>);

impl Table {
    /// Starts the reaper thread.
    #[must_use]
    pub fn start() -> Self {
        let table = Self(Arc::new((Mutex::new(HashMap::new()), Condvar::new())));
        let reaper = table.clone();
        thread::spawn(move || reaper.reap());
        table
    }

    fn lock(&self) -> MutexGuard<'_, Children> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a child; its PID.
    ///
    /// # Errors
    /// Errors of opening its files or of starting it.
    pub fn spawn(&self, spec: &Spec<'_>) -> io::Result<i32> {
        let (program, arguments) = spec
            .argv
            .split_first()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "argv is empty"))?;
        let sink = |path: &str| OpenOptions::new().append(true).create(true).open(path);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .current_dir(spec.cwd.unwrap_or("/"))
            .stdin(Stdio::null())
            .stdout(sink(spec.stdout)?)
            .stderr(sink(spec.stderr)?);
        sys::unblock_in(&mut command);
        // The reaper takes the lock before a status, so that this child is in the table before it
        // can be reaped.
        let mut children = self.lock();
        let pid = i32::try_from(command.spawn()?.id()).map_err(io::Error::other)?;
        children.insert(pid, None);
        Ok(pid)
    }

    /// Waits at most `timeout` for a child's exit; `None` if it still runs. A returned status is
    /// removed from the table.
    ///
    /// # Errors
    /// `NotFound` if the PID is not a child's.
    pub fn wait(&self, pid: i32, timeout: Duration) -> io::Result<Option<Exit>> {
        let deadline = Instant::now() + timeout;
        let mut children = self.lock();
        loop {
            match children.get(&pid) {
                None => return Err(io::Error::new(io::ErrorKind::NotFound, "no such child")),
                Some(Some(exit)) => {
                    let exit = *exit;
                    children.remove(&pid);
                    return Ok(Some(exit));
                }
                Some(None) => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            children = self
                .0
                .1
                .wait_timeout(children, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Sends a signal to a running child.
    ///
    /// # Errors
    /// `NotFound` if no such child runs, else the kernel's error.
    pub fn kill(&self, pid: i32, signal: i32) -> io::Result<()> {
        let children = self.lock();
        match children.get(&pid) {
            Some(None) => sys::kill(pid, signal),
            _ => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no such child runs",
            )),
        }
    }

    fn reap(&self) {
        loop {
            // Waits without the lock, takes the status with it: see `spawn`.
            match sys::zombie() {
                Ok(pid) => {
                    let mut children = self.lock();
                    if let Ok(Some(exit)) = sys::reap(pid)
                        && let Some(child) = children.get_mut(&pid)
                    {
                        *child = Some(exit);
                        self.0.1.notify_all();
                    }
                }
                // No child yet.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}
