//! What was logged, so that a test can wait for it, or see that something was not.

use std::sync::{Mutex, Once};
use std::time::Duration;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
static LOGGER: Collector = Collector;

struct Collector;

impl log::Log for Collector {
    fn enabled(&self, _: &log::Metadata) -> bool {
        true
    }

    fn log(&self, record: &log::Record) {
        let line = format!("{} {} {}", record.level(), record.target(), record.args());
        LINES.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

/// Collects from now on, down to what ureq and rustls say for debugging. (Their traces are dumps of every byte: too much
/// to look through again and again.)
pub fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LOGGER).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
    });
}

/// The lines with this in them.
pub fn with(what: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    lines.iter().filter(|l| l.contains(what)).cloned().collect()
}

/// Waits for a line with all of these.
pub fn wait_for(what: &[&str]) {
    while !with(what[0])
        .iter()
        .any(|line| what.iter().all(|w| line.contains(w)))
    {
        std::thread::sleep(Duration::from_millis(5));
    }
}
