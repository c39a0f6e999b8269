//! A minimal process 1 for a tree without an init system, as in a custom appliance.
//!
//! It mounts file systems, brings loopback up, starts [`SERVICES`], restarts those that exit and
//! reaps orphans. On SIGTERM or SIGINT it stops the services in reverse order and reboots the
//! machine; on SIGUSR2 it powers it off, like BusyBox.

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
        grace: Duration::from_secs(30),
    },
    Service {
        argv: &["/usr/libexec/amazon-ecs-init", "run"],
        // The agent's terminal failure.
        done: Some(5),
        // Longer than the agent's stop timeout.
        grace: Duration::from_secs(75),
    },
];

/// Never returns: the kernel panics when process 1 ends.
pub fn run() -> ! {
    let signals = Signals::block(&[libc::SIGTERM, libc::SIGINT, libc::SIGUSR2]);
    log_error("signals", signals.as_ref().err());
    mounts::all();
    log_error("loopback", netif::loopback().as_ref().err());
    let name = fs::read_to_string("/etc/hostname").unwrap_or_default();
    log_error("hostname", sys::set_hostname(name.trim()).as_ref().err());

    let table = Table::start();
    let running = SERVICES.map(|service| Running::start(service, table.clone()));
    let ending = match signals.map(|signals| signals.wait()) {
        Ok(Ok(libc::SIGUSR2)) => Ending::PowerOff,
        Ok(Ok(_)) => Ending::Restart,
        // Without signals no request to end can arrive.
        _ => loop {
            std::thread::park();
        },
    };
    for service in running.iter().rev() {
        service.stop();
    }
    // Processes left by the services, such as containers' shims.
    let _ = sys::kill(-1, libc::SIGKILL);
    sys::sync();
    log_error("the root", mounts::freeze().as_ref().err());
    log_error("the end", sys::end_machine(ending).as_ref().err());
    loop {
        std::thread::park();
    }
}

fn log_error(what: &str, error: Option<&std::io::Error>) {
    if let Some(error) = error {
        eprintln!("pid1: {what}: {error}");
    }
}
