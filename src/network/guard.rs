//! Restores the rules after a reload of the firewall (`nft flush ruleset`, `iptables-restore`), as
//! long as a [`Guard`] lives.
//!
//! The kernel sends a notification of each change (nfnetlink's group for `nf_tables`), so the guard
//! sleeps until there is one, then compares the rules and restores what is missing. It recognises
//! its own changes by their generation ID. A `post-stop` in another process sends a teardown
//! marker, and rules are not restored until a `pre-start` writes them again.

use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::desired_state::DesiredState;
use super::nft::event::{EventFilter, GROUP};
use super::nft::kernel;
use super::rate_limit::RateLimit;
use crate::error::{Context, Result};
use crate::sys::netlink::{Protocol, Socket};
use crate::sys::signal::{Interest, Stop, WaitResult, wait};

/// A thread that restores the rules. Dropping it waits for the thread to end; afterwards no rule is
/// restored.
#[derive(Debug)]
pub struct Guard {
    /// Closing it stops the thread.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    /// Starts the thread. It detects every change that is made after this function returned.
    ///
    /// # Errors
    /// No notifications (EPERM without `CAP_NET_ADMIN`), or no thread can be started.
    pub(super) fn start(desired: DesiredState) -> Result<Guard> {
        let socket = Socket::listen(Protocol::Netfilter, GROUP)
            .context(|| "subscribe to notifications of firewall changes")?;
        let (reader, writer) = io::pipe().context(|| "create a pipe")?;
        let stop = Stop::from(OwnedFd::from(reader));
        let watcher = Watcher {
            socket,
            desired,
            filter: EventFilter::default(),
            limit: RateLimit::default(),
        };
        let thread = thread::Builder::new()
            .name("firewall".to_owned())
            .spawn(move || watcher.run(&stop))
            .context(|| "start the thread that restores firewall rules")?;
        Ok(Guard {
            stop: Some(writer),
            thread: Some(thread),
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread logs its errors; a panic was printed to stderr.
            let _ = thread.join();
        }
    }
}

/// The thread's state.
struct Watcher {
    socket: Socket,
    desired: DesiredState,
    filter: EventFilter,
    limit: RateLimit,
}

impl Watcher {
    fn run(mut self, stop: &Stop) {
        if let Err(error) = self.watch(stop) {
            log::error!("{error}: firewall rules will not be restored any more");
        }
    }

    fn watch(&mut self, stop: &Stop) -> Result<()> {
        const WAIT: &str = "wait for firewall changes";
        // The first check is for changes between pre-start and now.
        let mut changed = true;
        loop {
            if changed {
                let delay = self.limit.delay(Instant::now());
                if stop.sleep(delay).context(|| WAIT)? == WaitResult::Interrupted {
                    return Ok(());
                }
                // The check covers changes that were notified during the delay.
                self.read_events()?;
                self.check();
            }
            let socket = (self.socket.as_fd(), Interest::Read);
            if wait(Some(socket), stop, None).context(|| WAIT)? == WaitResult::Interrupted {
                return Ok(());
            }
            changed = self.read_events()?;
        }
    }

    /// Reads all pending notifications; returns whether another program changed the ruleset.
    fn read_events(&mut self) -> Result<bool> {
        let was_torn_down = self.filter.torn_down;
        let mut changed = false;
        let mut buffer = Vec::new();
        loop {
            match self.socket.try_receive(&mut buffer) {
                Ok(true) => changed |= self.filter.process(&buffer),
                Ok(false) => break,
                // The kernel dropped notifications.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => changed = true,
                Err(error) => {
                    return Err(error).context(|| "read notifications of firewall changes");
                }
            }
        }
        if self.filter.torn_down && !was_torn_down {
            log::info!("post-stop removed the firewall rules: they are not restored");
        }
        Ok(changed)
    }

    /// Checks the rules and restores what is missing. Errors are logged, and the guard continues.
    fn check(&mut self) {
        let result = if self.filter.torn_down {
            self.resume()
        } else {
            self.restore()
        };
        self.limit.checked(Instant::now());
        if let Err(error) = result {
            log::error!("firewall rules not restored: {error}");
        }
    }

    fn restore(&mut self) -> Result<()> {
        let update = kernel::update(|current| self.desired.steps(current))?;
        self.filter.known_generation = Some(update.generation());
        if update.steps == 0 {
            return Ok(());
        }
        log::warn!(
            "firewall rules restored: another program had removed them ({} changes)",
            update.steps
        );
        if self.limit.restored(Instant::now()) {
            log::warn!(
                "another program removes the firewall rules repeatedly: from now on they are \
                 restored once a minute (to find it, run: nft monitor)"
            );
        }
        Ok(())
    }

    /// After a teardown, checks whether a pre-start wrote the rules again.
    fn resume(&mut self) -> Result<()> {
        let current = kernel::read()?;
        self.filter.known_generation = Some(current.generation);
        if current.has_marked() && self.desired.steps(&current)?.is_empty() {
            log::info!("firewall rules exist again: they are restored from now on");
            self.filter.torn_down = false;
        }
        Ok(())
    }
}
