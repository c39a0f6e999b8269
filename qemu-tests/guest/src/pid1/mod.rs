//! Process 1 of a tree that has no init system: the least that one can be.
//!
//! It mounts what the kernel has not, brings loopback up, starts [`SERVICES`],
//! starts again what ends, reaps orphans, and on SIGTERM or SIGINT stops the
//! services, last first, and restarts the machine; SIGUSR2 turns it off, as with
//! BusyBox. Whoever builds an appliance around ecs-init writes something like it.

mod mounts;
mod service;

use crate::driver::netif;
use crate::driver::process::Table;
use crate::sys::{self, Ending, Signals};
use service::{Running, Service};
use std::fs;
use std::time::Duration;

/// In the order of their start.
const SERVICES: [Service; 2] = [
    Service {
        argv: &["/usr/sbin/dockerd"],
        done: None,
        patience: Duration::from_secs(30),
    },
    Service {
        argv: &["/usr/libexec/amazon-ecs-init", "run"],
        // The agent will never run here, or ecs-init's settings are wrong.
        done: Some(5),
        // The agent has as long to end, and longer.
        patience: Duration::from_secs(75),
    },
];

/// Never returns: the kernel panics when process 1 ends.
pub fn run() -> ! {
    let signals = Signals::block(&[libc::SIGTERM, libc::SIGINT, libc::SIGUSR2]);
    complain("signals", signals.as_ref().err());
    mounts::all();
    complain("loopback", netif::loopback().as_ref().err());
    let name = fs::read_to_string("/etc/hostname").unwrap_or_default();
    complain("hostname", sys::set_hostname(name.trim()).as_ref().err());

    let table = Table::start();
    let running = SERVICES.map(|service| Running::start(service, table.clone()));
    let ending = match signals.map(|signals| signals.wait()) {
        Ok(Ok(libc::SIGUSR2)) => Ending::PowerOff,
        Ok(Ok(_)) => Ending::Restart,
        // Without signals there is nobody to tell us to end.
        _ => loop {
            std::thread::park();
        },
    };
    for service in running.iter().rev() {
        service.stop();
    }
    // What the services left: containers' shims, and who knows what.
    let _ = sys::kill(-1, libc::SIGKILL);
    sys::sync();
    complain("the root", mounts::freeze().as_ref().err());
    complain("the end", sys::end_machine(ending).as_ref().err());
    loop {
        std::thread::park();
    }
}

fn complain(what: &str, error: Option<&std::io::Error>) {
    if let Some(error) = error {
        eprintln!("pid1: {what}: {error}");
    }
}
