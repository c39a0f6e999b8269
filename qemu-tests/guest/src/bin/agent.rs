//! A test agent in place of the Amazon ECS agent: serves introspection and credentials, and exits as
//! scripted.
//!
//! `/data/agent-script` has one action per line. The n-th start takes the n-th line, or `serve`
//! as the default:
//!
//! - `serve`: until SIGTERM, then exit 0
//! - `ignore-sigterm`: until SIGKILL
//! - `exit CODE [MILLISECONDS]`: after that time
//!
//! `/data/agent-events` gets a line for every start and SIGTERM, so that a test sees the events of
//! all containers.

use ecs_init_guest::{http, sys};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::TcpListener;
use std::process::exit;
use std::thread;
use std::time::Duration;

const SCRIPT: &str = "/data/agent-script";
const EVENTS: &str = "/data/agent-events";

/// The credentials for every task.
const CREDENTIALS: &str = r#"{"RoleArn":"arn:aws:iam::123456789012:role/test-agent","AccessKeyId":"ASIATESTAGENT","SecretAccessKey":"not-a-secret","Token":"not-a-token","Expiration":"2099-01-01T00:00:00Z"}"#;

/// A line of the script.
#[derive(Debug, PartialEq)]
enum Action {
    Serve,
    IgnoreSigterm,
    Exit { code: i32, after: Duration },
}

impl Action {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["serve"] => Some(Self::Serve),
            ["ignore-sigterm"] => Some(Self::IgnoreSigterm),
            ["exit", code, rest @ ..] => Some(Self::Exit {
                code: code.parse().ok()?,
                after: match rest {
                    [] => Duration::ZERO,
                    [ms] => Duration::from_millis(ms.parse().ok()?),
                    _ => return None,
                },
            }),
            _ => None,
        }
    }
}

fn record(event: &str) {
    println!("test agent: {event}");
    let file = OpenOptions::new().append(true).create(true).open(EVENTS);
    // In one write: an agent that is killed has written a complete line or none.
    let line = format!("{event}\n");
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        eprintln!("test agent: {EVENTS}: {error}");
    }
}

fn serve(listener: TcpListener, reply: fn(&str) -> (&'static str, String)) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        thread::spawn(move || {
            if let Some(path) = http::request_path(&mut stream) {
                let (status, body) = reply(&path);
                // The peer may have disconnected.
                let _ = http::answer(&mut stream, status, &body);
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
        });
    }
}

fn introspection(path: &str) -> (&'static str, String) {
    if path != "/v1/metadata" {
        return ("404 Not Found", "{}".to_owned());
    }
    let version = std::env::var("TEST_AGENT_VERSION").unwrap_or_else(|_| "unknown".to_owned());
    let body = serde_json::json!({
        "Cluster": "test-agent",
        "ContainerInstanceArn": null,
        "Version": format!("Amazon ECS Agent - {version} (test-agent)"),
    });
    ("200 OK", body.to_string())
}

fn credentials(path: &str) -> (&'static str, String) {
    match path.strip_prefix("/v2/credentials/") {
        Some(id) if !id.is_empty() => ("200 OK", CREDENTIALS.to_owned()),
        _ => (
            "400 Bad Request",
            r#"{"code":"NoIdInRequest","message":"no credentials id"}"#.to_owned(),
        ),
    }
}

fn listen(address: &str) -> TcpListener {
    TcpListener::bind(address).unwrap_or_else(|error| {
        eprintln!("test agent: {address}: {error}");
        exit(1)
    })
}

fn healthcheck() -> ! {
    let answer = http::get("http://127.0.0.1:51678/v1/metadata", Duration::from_secs(5));
    exit(i32::from(!answer.is_ok_and(|answer| answer.status == 200)))
}

fn main() -> io::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("--healthcheck") {
        healthcheck();
    }
    let terminate = sys::Signals::block(&[libc::SIGTERM, libc::SIGINT])?;

    let starts = fs::read_to_string(EVENTS)
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("start "))
        .count();
    let script = fs::read_to_string(SCRIPT).unwrap_or_default();
    let line = script.lines().nth(starts).unwrap_or("serve");
    let Some(action) = Action::parse(line) else {
        eprintln!("test agent: {SCRIPT}: unknown action: {line}");
        exit(1)
    };

    // Like the real agent: introspection on every address, credentials on loopback.
    let everywhere = TcpListener::bind("[::]:51678").unwrap_or_else(|_| listen("0.0.0.0:51678"));
    let loopback = listen("127.0.0.1:51679");
    // Before the first answer: a client with an answer finds the start recorded.
    record(&format!("start {line}"));
    thread::spawn(move || serve(everywhere, introspection));
    thread::spawn(move || serve(loopback, credentials));

    if let Action::Exit { code, after } = action {
        thread::spawn(move || {
            thread::sleep(after);
            exit(code)
        });
    }
    loop {
        terminate.wait()?;
        record("sigterm");
        if action != Action::IgnoreSigterm {
            exit(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_actions() {
        assert_eq!(Action::parse("serve"), Some(Action::Serve));
        assert_eq!(
            Action::parse("exit 42 500"),
            Some(Action::Exit {
                code: 42,
                after: Duration::from_millis(500)
            })
        );
        assert_eq!(Action::parse("exit"), None);
        assert_eq!(Action::parse("dance"), None);
    }
}
