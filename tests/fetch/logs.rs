//! Collects log lines, for tests that wait for one or check that it is missing.

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

/// Starts to collect, up to debug level. At trace level ureq and rustls log every byte.
pub fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LOGGER).unwrap();
        log::set_max_level(log::LevelFilter::Debug);
    });
}

/// The lines that contain `what`.
pub fn containing(what: &str) -> Vec<String> {
    let lines = LINES.lock().unwrap();
    lines.iter().filter(|l| l.contains(what)).cloned().collect()
}

/// Waits for a line that contains all of these.
pub fn wait_for(what: &[&str]) {
    while !containing(what[0])
        .iter()
        .any(|line| what.iter().all(|w| line.contains(w)))
    {
        std::thread::sleep(Duration::from_millis(5));
    }
}
