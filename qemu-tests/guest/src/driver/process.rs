//! Children, and everybody else's orphans: process 1 must reap both, and must
//! not take from one what belongs to the other.

use crate::sys;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

/// What a child is to be.
pub struct Spec<'a> {
    pub argv: &'a [String],
    pub env: &'a [(String, String)],
    pub cwd: Option<&'a str>,
    /// Files that standard output and error are appended to.
    pub stdout: &'a str,
    pub stderr: &'a str,
}

type Children = HashMap<i32, Option<Exit>>;

/// The children of this process, by number.
#[derive(Clone)]
pub struct Table(Arc<(Mutex<Children>, Condvar)>);

impl Table {
    /// Starts the thread that reaps.
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

    /// Starts a child and returns its number.
    ///
    /// # Errors
    /// What opening its files or starting it gave.
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
        // The reaper takes the lock before it takes a status, so it cannot
        // take this child's before the table knows the child.
        let mut children = self.lock();
        let pid = i32::try_from(command.spawn()?.id()).map_err(io::Error::other)?;
        children.insert(pid, None);
        Ok(pid)
    }

    /// Waits for a child's end, at most for `timeout`; `None` if it still runs.
    /// A child whose end was told is forgotten.
    ///
    /// # Errors
    /// `NotFound` for a number that is no child's.
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

    /// Sends a signal to a child that still runs.
    ///
    /// # Errors
    /// `NotFound` when it has ended or never was, else what the kernel said.
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
            // Look first, take under the lock: see `spawn`.
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
                // No child at all: there will be some.
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}
