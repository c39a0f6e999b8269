//! A service: a program that is restarted when it exits.

use crate::driver::process::{Exit, Spec, Table};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Pause before a restart.
const PAUSE: Duration = Duration::from_secs(1);

/// Timeout of one wait for an exit; the wait is repeated.
const LONG: Duration = Duration::from_secs(3600);

/// A service's configuration.
#[derive(Clone, Copy)]
pub struct Service {
    /// Program and arguments.
    pub argv: &'static [&'static str],
    /// The exit code after which it is not restarted.
    pub done: Option<i32>,
    /// Time from SIGTERM to SIGKILL.
    pub grace: Duration,
}

/// The service's process, and whether it is being stopped.
#[derive(Default)]
struct State {
    pid: Option<i32>,
    stopping: bool,
}

/// A service and the thread that restarts it.
pub struct Running {
    service: Service,
    table: Table,
    state: Arc<Mutex<State>>,
    restarter: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts the thread, which starts the program, if the tree has it.
    pub fn start(service: Service, table: Table) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let restarter = Path::new(service.argv[0]).exists().then(|| {
            let (table, state) = (table.clone(), state.clone());
            thread::spawn(move || keep_running(&service, &table, &state))
        });
        Self {
            service,
            table,
            state,
            restarter,
        }
    }

    /// Sends SIGTERM, then SIGKILL after the grace period; returns after the exit.
    pub fn stop(&self) {
        let pid = {
            let mut state = lock(&self.state);
            state.stopping = true;
            state.pid
        };
        let Some(restarter) = &self.restarter else {
            return;
        };
        for (signal, grace) in [(libc::SIGTERM, self.service.grace), (libc::SIGKILL, LONG)] {
            if let Some(pid) = pid {
                let _ = self.table.kill(pid, signal);
            }
            let end = std::time::Instant::now() + grace;
            while !restarter.is_finished() && std::time::Instant::now() < end {
                thread::sleep(Duration::from_millis(50));
            }
            if restarter.is_finished() {
                return;
            }
        }
    }
}

/// Ignores poisoning: the state is valid after a panic of another thread.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep_running(service: &Service, table: &Table, state: &Mutex<State>) {
    let name = service.argv[0];
    let argv: Vec<String> = service.argv.iter().map(ToString::to_string).collect();
    loop {
        let started = {
            let mut state = lock(state);
            if state.stopping {
                return;
            }
            let started = table.spawn(&Spec {
                argv: &argv,
                env: &[(
                    "PATH".to_owned(),
                    "/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
                )],
                cwd: None,
                stdout: "/dev/console",
                stderr: "/dev/console",
            });
            state.pid = started.as_ref().ok().copied();
            started
        };
        let exit = started.and_then(|pid| {
            loop {
                if let Some(exit) = table.wait(pid, LONG)? {
                    break Ok(exit);
                }
            }
        });
        lock(state).pid = None;
        eprintln!("pid1: {name}: {exit:?}");
        if let (Some(done), Ok(Exit::Code(code))) = (service.done, &exit)
            && done == *code
        {
            return;
        }
        if lock(state).stopping {
            return;
        }
        thread::sleep(PAUSE);
    }
}
