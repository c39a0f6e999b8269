//! Process 1 of a test's host, or an observer beside its init; see [`ecs_init_guest::driver`].

use ecs_init_guest::driver::{boot, channel, server};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        // The kernel passes unknown words of its command line to the initramfs's /init.
        ["/init", ..] => boot::initramfs(),
        [_, "guest"] => boot::guest()
            .and_then(|()| channel::Channel::virtio())
            .and_then(server::serve),
        [_, "observe"] => channel::Channel::virtio().and_then(server::serve),
        [_, "namespace", root, work] => boot::namespace(Path::new(root), Path::new(work))
            .and_then(|()| channel::Channel::stdio())
            .and_then(server::serve),
        _ => {
            eprintln!("usage: driver guest | driver observe | driver namespace ROOT WORK");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = done {
        eprintln!("driver: {error}");
    }
    // In a guest this ends process 1 and the guest, which the harness detects.
    ExitCode::FAILURE
}
