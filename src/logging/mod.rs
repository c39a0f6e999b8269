//! The log: logfmt as in amazon-ecs-init, `level=info time=2026-11-22T15:35:12Z msg="…"`, on
//! stderr. A process that is started without stderr (by a minimal init) logs to `/dev/kmsg`.

mod format;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::time::SystemTime;

use log::{LevelFilter, Log, Metadata, Record};

use crate::sys;

/// Where log lines are written.
enum Sink {
    Stderr,
    /// The kernel's ring buffer: one write, one record (Documentation/ABI/testing/dev-kmsg).
    Kmsg(File),
}

struct Logger(Sink);

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Starts logging at level info. Must be called before anything is logged.
pub fn start() {
    let logger = LOGGER.get_or_init(|| Logger(sink()));
    // The only possible error is that a logger is set already.
    let _ = log::set_logger(logger);
    log::set_max_level(LevelFilter::Info);
}

/// Sets the lowest level that is logged.
pub fn set_level(filter: LevelFilter) {
    log::set_max_level(filter);
}

fn sink() -> Sink {
    if sys::fd::stderr_was_closed() {
        let kmsg = OpenOptions::new().write(true).open("/dev/kmsg");
        if let Ok(file) = kmsg {
            return Sink::Kmsg(file);
        }
    }
    Sink::Stderr
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Debug lines of libraries may have secrets (HTTP headers).
        metadata.target().starts_with("ecs_init")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let line = format::line(record.level(), SystemTime::now(), &message);
        // An error of the log must not stop the program.
        let _ = match &self.0 {
            Sink::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
            Sink::Kmsg(file) => (&mut &*file)
                .write_all(format!("{}ecs-init: {line}", format::kmsg(record.level())).as_bytes()),
        };
    }

    fn flush(&self) {}
}
