//! `probe URL [MILLISECONDS]`: fetches a URL and prints the body.
//!
//! Exit codes like curl's: 0 for a 2xx answer, 22 for another status, 7 for a refused connection,
//! 28 for a timeout, 1 for anything else.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(url) = words.next() else {
        eprintln!("usage: probe URL [MILLISECONDS]");
        return ExitCode::from(1);
    };
    let timeout = words
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(10_000);
    match ecs_init_guest::http::get(&url, Duration::from_millis(timeout)) {
        Ok(answer) => {
            // A closed standard output is not a failure of the fetch.
            let _ = std::io::stdout().write_all(&answer.body);
            if (200..300).contains(&answer.status) {
                ExitCode::SUCCESS
            } else {
                eprintln!("probe: {url}: status {}", answer.status);
                ExitCode::from(22)
            }
        }
        Err(error) => {
            eprintln!("probe: {url}: {error}");
            ExitCode::from(match error.kind() {
                ErrorKind::ConnectionRefused => 7,
                ErrorKind::TimedOut | ErrorKind::WouldBlock => 28,
                _ => 1,
            })
        }
    }
}
