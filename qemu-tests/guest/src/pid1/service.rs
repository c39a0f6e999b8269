//! A program that is to run as long as the machine does.

use crate::driver::process::{Exit, Spec, Table};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Before a program that ended is started again.
const PAUSE: Duration = Duration::from_secs(1);

/// One wait for an end; it is only repeated.
const LONG: Duration = Duration::from_secs(3600);

/// What is to run.
#[derive(Clone, Copy)]
pub struct Service {
    /// Program and arguments.
    pub argv: &'static [&'static str],
    /// The exit code after which it is not started again.
    pub done: Option<i32>,
    /// From SIGTERM to SIGKILL.
    pub patience: Duration,
}

/// The service's state: which process, and whether another is to follow it.
#[derive(Default)]
struct State {
    pid: Option<i32>,
    stopping: bool,
}

/// A service and the thread that keeps it running.
pub struct Running {
    service: Service,
    table: Table,
    state: Arc<Mutex<State>>,
    keeper: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts the thread, and it the program, if that is in the tree at all.
    pub fn start(service: Service, table: Table) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let keeper = Path::new(service.argv[0]).exists().then(|| {
            let (table, state) = (table.clone(), state.clone());
            thread::spawn(move || keep(&service, &table, &state))
        });
        Self {
            service,
            table,
            state,
            keeper,
        }
    }

    /// SIGTERM, and SIGKILL to one that does not follow it; returns when it has ended.
    pub fn stop(&self) {
        let pid = {
            let mut state = lock(&self.state);
            state.stopping = true;
            state.pid
        };
        let Some(keeper) = &self.keeper else { return };
        for (signal, patience) in [
            (libc::SIGTERM, self.service.patience),
            (libc::SIGKILL, LONG),
        ] {
            if let Some(pid) = pid {
                let _ = self.table.kill(pid, signal);
            }
            let end = std::time::Instant::now() + patience;
            while !keeper.is_finished() && std::time::Instant::now() < end {
                thread::sleep(Duration::from_millis(50));
            }
            if keeper.is_finished() {
                return;
            }
        }
    }
}

/// A panic elsewhere changes nothing about the state.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(service: &Service, table: &Table, state: &Mutex<State>) {
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
        eprintln!("pid1: {name} ended: {exit:?}");
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
