//! The log: the reference's logfmt, `level=info time=2026-11-22T15:35:12Z msg="…"`, one line a
//! change of state, on stderr. A process that was started without a stderr writes to `/dev/kmsg`,
//! so that an init that gives its children nothing still leaves a trace.

mod format;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::time::SystemTime;

use log::{LevelFilter, Log, Metadata, Record};

use crate::sys;

/// Where lines go.
enum Sink {
    Stderr,
    /// The kernel's ring buffer: one write, one record (Documentation/ABI/testing/dev-kmsg).
    Kmsg(File),
}

struct Logger(Sink);

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Starts the log. To be called once, first thing; the level may be set later by [`level`].
pub fn start() {
    let logger = LOGGER.get_or_init(|| Logger(sink()));
    // A second start changes nothing, and that is all that an error here can mean.
    let _ = log::set_logger(logger);
    log::set_max_level(LevelFilter::Info);
}

/// How much is logged from here on.
pub fn level(filter: LevelFilter) {
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
        // Libraries below us say too much, and some of it (headers) may be secret.
        metadata.target().starts_with("ecs_init")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let line = format::line(record.level(), SystemTime::now(), &message);
        // A log that cannot be written must not end what it reports on.
        let _ = match &self.0 {
            Sink::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
            Sink::Kmsg(file) => (&mut &*file)
                .write_all(format!("{}ecs-init: {line}", format::kmsg(record.level())).as_bytes()),
        };
    }

    fn flush(&self) {}
}
