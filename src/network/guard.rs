//! The rules are put back when a reload of the firewall takes them away (`nft flush ruleset`,
//! `iptables-restore`), for as long as a guard lives.
//!
//! The kernel tells of each change (nfnetlink's group for `nf_tables`), so the guard sleeps until
//! there is one; then it looks, and mends what is missing. Its own changes it knows by the number
//! of the generation that they made. A `post-stop` elsewhere tells it by [`FAREWELL`](super::nft::own::FAREWELL) that the
//! rules are gone for good; a `pre-start` after that wakes it again.

use std::io::{self, PipeWriter};
use std::os::fd::{AsFd, OwnedFd};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::firewall::Wanted;
use super::netlink::message::{self, Message};
use super::nft::kernel;
use super::nft::news::{GROUP, News};
use super::pace::Pace;
use crate::error::{Context, Error, Kind, Result};
use crate::sys::netlink::{Protocol, Socket};
use crate::sys::signal::{Interest, Stop, WaitResult, wait};

/// A thread that looks after the rules. Dropped, it ends, and the drop waits for that: no rule is
/// put back any more afterwards.
#[derive(Debug)]
#[must_use]
pub struct Guard {
    /// Closed, it is the order to stop.
    order: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Guard {
    /// Looks after `wanted`. Hears of every change from before this returns on.
    ///
    /// # Errors
    /// The kernel tells us nothing (EPERM without `CAP_NET_ADMIN`), or there can be no thread.
    pub(super) fn start(wanted: Wanted) -> Result<Guard> {
        let socket = Socket::listen(Protocol::Netfilter, GROUP)
            .context(|| "listen to the kernel for changes of the firewall's rules")?;
        let (order, writer) = io::pipe().context(|| "make a pipe")?;
        let stop = Stop::from(OwnedFd::from(order));
        let watch = Watch {
            socket,
            wanted,
            ear: Ear::default(),
            pace: Pace::default(),
        };
        let thread = thread::Builder::new()
            .name("firewall".to_owned())
            .spawn(move || watch.run(&stop))
            .context(|| "start the thread that looks after the firewall's rules")?;
        Ok(Guard {
            order: Some(writer),
            thread: Some(thread),
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.order.take());
        if let Some(thread) = self.thread.take() {
            // It catches its errors; a panic is on stderr already.
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Watch {
    socket: Socket,
    wanted: Wanted,
    ear: Ear,
    pace: Pace,
}

/// What was heard of the rules. Pure.
#[derive(Debug, Default)]
struct Ear {
    /// The generation that we last saw, or made.
    known: Option<u32>,
    /// Whether the rules are to stay out.
    off_duty: bool,
}

impl Ear {
    /// One datagram of news; whether it tells of a change of others.
    fn hear(&mut self, datagram: &[u8]) -> bool {
        let Some(told) = message::read(datagram) else {
            return true;
        };
        let mut changed = false;
        for one in told {
            let Message::Object { kind, body } = one.message else {
                continue;
            };
            match News::read(kind, body) {
                Some(News::Generation(number)) => changed |= self.known != Some(number),
                Some(News::Farewell) => self.off_duty = true,
                None => {}
            }
        }
        changed
    }
}

impl Watch {
    fn run(mut self, stop: &Stop) {
        if let Err(error) = self.keep(stop) {
            log::error!("{error}: the firewall's rules are no longer looked after");
        }
    }

    fn keep(&mut self, stop: &Stop) -> Result<()> {
        const WAITING: &str = "wait for changes of the firewall's rules";
        // What changed between pre-start and now is seen by a first look.
        let mut changed = true;
        loop {
            if changed {
                let pause = self.pace.wait(Instant::now());
                if stop.sleep(pause).context(|| WAITING)? == WaitResult::Interrupted {
                    return Ok(());
                }
                // What came meanwhile is before the look.
                self.news()?;
                self.look();
            }
            let socket = (self.socket.as_fd(), Interest::Read);
            if wait(Some(socket), stop, None).context(|| WAITING)? == WaitResult::Interrupted {
                return Ok(());
            }
            changed = self.news()?;
        }
    }

    /// Reads all that the kernel has told by now; whether there was a change of others.
    fn news(&mut self) -> Result<bool> {
        let was_off = self.ear.off_duty;
        let mut changed = false;
        let mut buffer = Vec::new();
        loop {
            match self.socket.try_receive(&mut buffer) {
                Ok(true) => changed |= self.ear.hear(&buffer),
                Ok(false) if self.ear.off_duty && !was_off => {
                    log::info!("post-stop took the firewall's rules out: they stay out");
                    return Ok(changed);
                }
                Ok(false) => return Ok(changed),
                // So much happened that the kernel could not tell all of it.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => changed = true,
                Err(error) => {
                    return Err(Error::with_source(
                        Kind::InvalidInput,
                        "hear of changes of the rules",
                        error,
                    ));
                }
            }
        }
    }

    fn look(&mut self) {
        let looked = if self.ear.off_duty {
            self.only_look()
        } else {
            self.mend()
        };
        self.pace.looked(Instant::now());
        if let Err(error) = looked {
            log::error!("look after the firewall's rules: {error}");
        }
    }

    fn mend(&mut self) -> Result<()> {
        let changed = kernel::change(|now| self.wanted.steps(now))?;
        self.ear.known = Some(changed.generation());
        if changed.steps == 0 {
            return Ok(());
        }
        log::warn!(
            "firewall rules put back, somebody had taken them out: {} changes",
            changed.steps
        );
        if self.pace.repaired(Instant::now()) {
            log::warn!(
                "another program takes the firewall's rules out again and again; from now on they \
                 are put back once a minute: find out which it is (nft monitor)"
            );
        }
        Ok(())
    }

    fn only_look(&mut self) -> Result<()> {
        let now = kernel::read()?;
        self.ear.known = Some(now.generation);
        if now.has_ours() && self.wanted.steps(&now)?.is_empty() {
            log::info!("the firewall's rules are there again, and looked after");
            self.ear.off_duty = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::netlink::attr::Writer;
    use super::*;

    /// A message of `nf_tables` (subsystem 10) with one attribute.
    fn message(kind: u16, fill: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut attributes = Writer::new();
        fill(&mut attributes);
        let body = [&[2, 0, 0, 0][..], &attributes.finish()].concat();
        let mut bytes = Vec::new();
        message::write(&mut bytes, 10 << 8 | kind, 0, 0, &body);
        bytes
    }

    fn generation(number: u32) -> Vec<u8> {
        message(15, |w| {
            w.be32(1, number);
        })
    }

    fn new_table(name: &str) -> Vec<u8> {
        message(0, |w| {
            w.text(1, name);
        })
    }

    #[test]
    fn only_a_generation_that_we_do_not_know_is_a_change() {
        let mut ear = Ear::default();
        assert!(ear.hear(&generation(7)));
        ear.known = Some(7);
        assert!(!ear.hear(&generation(7)));
        assert!(!ear.hear(&new_table("filter")));
        assert!(ear.hear(&[generation(7), generation(8)].concat()));
        // Who cannot be understood may have said anything.
        assert!(ear.hear(&[1, 2, 3]));
        assert!(!ear.off_duty);
    }

    #[test]
    fn after_a_farewell_the_rules_stay_out() {
        let mut ear = Ear::default();
        let farewell = new_table(crate::network::nft::own::FAREWELL);
        assert!(ear.hear(&[farewell, generation(9)].concat()));
        assert!(ear.off_duty);
    }
}
