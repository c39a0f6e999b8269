//! A scripted Engine on a Unix socket, one request per connection.

// No test crate uses all of it.
#![allow(dead_code)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ecs_init::docker::Docker;
use ecs_init::sys::signal::Stop;
use ecs_init::testing::TempDir;

/// The reply to a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status and a body.
    Response(u16, String),
    /// The response to a ping, with this `Api-Version`.
    Pong(&'static str),
    /// No response: the connection is closed.
    Close,
    /// The head of an response, and then the connection's end.
    Truncated,
    /// The head of an response, and then nothing until the client hangs up.
    Stalled,
}

/// A status and a body.
pub fn response(status: u16, body: &str) -> Reply {
    Reply::Response(status, body.to_owned())
}

/// The response to `wait` after an exit.
pub fn exited(code: i64) -> Reply {
    response(200, &format!(r#"{{"Error":null,"StatusCode":{code}}}"#))
}

/// A healthy Engine's reply; the agent exits with 0 as soon as it is waited for.
pub fn default_reply(call: &str) -> Reply {
    match call {
        "ping" => Reply::Pong("1.41"),
        "version" => response(200, r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#),
        "create" => response(201, r#"{"Id":"c0ffee","Warnings":[]}"#),
        "find" => response(404, r#"{"message":"No such container"}"#),
        "inspect" => response(200, r#"{"Id":"c0ffee","State":{"Running":true}}"#),
        "image" => response(200, r#"{"Id":"sha256:1","RepoTags":["the/agent:latest"]}"#),
        "wait" => exited(0),
        _ => response(204, ""),
    }
}

/// The Engine.
pub struct Engine {
    dir: TempDir,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    /// Starts one. `script` gets the short name of each request ([`short_name`]) and how many
    /// requests before it had the same. The thread ends with the process.
    pub fn start(script: impl FnMut(&str, usize) -> Reply + Send + 'static) -> Engine {
        Engine::start_in(TempDir::new("engine"), script)
    }

    /// The same, with the socket `s` in this directory.
    pub fn start_in(
        dir: TempDir,
        mut script: impl FnMut(&str, usize) -> Reply + Send + 'static,
    ) -> Engine {
        let listener = UnixListener::bind(dir.path().join("s")).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&calls);
        thread::spawn(move || {
            let mut counts = HashMap::new();
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let Some(call) = read_request(&stream) else {
                    continue;
                };
                let count: &mut usize = counts.entry(call.clone()).or_default();
                let reply = script(&call, *count);
                *count += 1;
                seen.lock().unwrap().push(call);
                send(stream, reply);
            }
        });
        Engine { dir, calls }
    }

    /// A client.
    pub fn connect(&self, stop: &Stop) -> Docker {
        Docker::connect(&self.socket(), Duration::from_secs(60), stop).unwrap()
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// The short names of the requests so far.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// Reads a whole request; returns its short name, or `None` if the client closed the connection.
fn read_request(stream: &UnixStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let (mut line, mut len) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            len = value.trim().parse().unwrap();
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(len), &mut std::io::sink()).ok()?;
    short_name(&first)
}

/// The last part of the path, unless it has a name of its own: `POST
/// /v1.41/containers/c0ffee/stop?t=10 HTTP/1.1` is `stop?t=10`.
fn short_name(request: &str) -> Option<String> {
    let mut words = request.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let last = path.rsplit('/').next()?;
    let name = match (method, last) {
        ("GET", "_ping") if path == "/_ping" => "ping",
        ("GET", "_ping") => "versioned-ping",
        ("GET", "json") if path.contains("/images/") => "image",
        // By name: the container before a run. By ID: how the run ended.
        ("GET", "json") if path.ends_with("/ecs-agent/json") => "find",
        ("GET", "json") => "inspect",
        ("DELETE", id) if path.contains("/images/") => return Some(format!("remove-image {id}")),
        ("DELETE", "ecs-agent?force=1&v=1") => "remove",
        ("POST", "create?name=ecs-agent") => "create",
        _ => last,
    };
    // Every call has the negotiated version.
    let versioned = ["/v1.41/containers/", "/v1.41/images/"]
        .iter()
        .any(|start| path.starts_with(start));
    let negotiates = matches!(name, "ping" | "versioned-ping" | "version");
    assert!(versioned || negotiates, "{request}");
    Some(name.to_owned())
}

fn send(mut stream: UnixStream, reply: Reply) {
    // An interrupted client does not wait for the response.
    let _ = match reply {
        Reply::Close => Ok(()),
        Reply::Response(status, body) => write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        Reply::Pong(version) => write!(
            stream,
            "HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK"
        ),
        Reply::Truncated => write!(
            stream,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
        Reply::Stalled => write!(
            stream,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        .and_then(|()| stream.read(&mut [0]).map(drop)),
    };
}
