//! Delays the exit of `run --respawned`: the init restarts the process after every exit, and would
//! restart it in a loop.

use std::time::Duration;

use crate::error::ExitCode;
use crate::sys::signal::{Stop, WaitResult, wait};

/// The delay after a failure. sysvinit suspends a service for five minutes if it ended ten times
/// within two minutes; this is eight times.
const AFTER_FAILURE: Duration = Duration::from_secs(15);

/// Waits until SIGTERM or SIGINT if nothing is to be restarted, else 15 s. Returns at once if a
/// signal ended the work.
pub fn respawn_delay(code: ExitCode) {
    // A signal that ended the work is still pending.
    let waited = Stop::install().and_then(|stop| {
        if stop.requested() {
            return Ok(WaitResult::Interrupted);
        }
        let time = match code {
            ExitCode::Success | ExitCode::AgentTerminal => {
                log::warn!("the agent is not restarted: waiting for SIGTERM");
                None
            }
            ExitCode::Usage | ExitCode::Failure => {
                log::info!("exiting in {} s", AFTER_FAILURE.as_secs());
                Some(AFTER_FAILURE)
            }
        };
        wait(None, &stop, time)
    });
    if let Err(error) = waited {
        log::error!("wait before the exit: {error}");
    }
}
