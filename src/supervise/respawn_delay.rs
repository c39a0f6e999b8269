//! The end of `run --respawned`: under an init that starts again whatever ends, however it ends,
//! an end is put off for as long as it would only bring the same end again.

use std::time::Duration;

use crate::error::Exit;
use crate::sys::signal::{Stop, WaitResult, wait};

/// Between a failure and the end of the process. sysvinit leaves a service alone for five minutes
/// that ended ten times within two; this is eight times.
const AFTER_FAILURE: Duration = Duration::from_secs(15);

/// Waits, once everything is done and told: until SIGTERM or SIGINT, if nothing is to be started
/// again, else for 15 s. After a stop that was asked for, not at all.
pub fn respawn_delay(end: Exit) {
    // The signal that ended the work, if one did, is still pending: it ends this as well.
    let woken = Stop::install().and_then(|stop| {
        if stop.requested() {
            return Ok(WaitResult::Interrupted);
        }
        let time = match end {
            Exit::Success | Exit::AgentTerminal => {
                log::warn!("the agent is not started again: waiting for SIGTERM");
                None
            }
            Exit::Usage | Exit::Failure => {
                log::info!("ending in {} s", AFTER_FAILURE.as_secs());
                Some(AFTER_FAILURE)
            }
        };
        wait(None, &stop, time)
    });
    if let Err(error) = woken {
        log::error!("wait before the end: {error}");
    }
}
