//! An Engine that answers as a test tells it, over a real Unix socket, one request a connection.

// Each test takes what it needs of this.
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

/// What a request gets.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status and a body.
    Answer(u16, String),
    /// The answer to a ping, with this `Api-Version`.
    Pong(&'static str),
    /// The connection's end, instead of an answer.
    HangUp,
    /// The head of an answer, and then the connection's end.
    Cut,
    /// The head of an answer, and then nothing until the client hangs up.
    Silence,
}

/// A status and a body.
pub fn answer(status: u16, body: &str) -> Reply {
    Reply::Answer(status, body.to_owned())
}

/// The answer to `wait` after an exit.
pub fn exit(code: i64) -> Reply {
    answer(200, &format!(r#"{{"Error":null,"StatusCode":{code}}}"#))
}

/// What an Engine says on a good day; the agent exits with 0 as soon as it is waited for.
pub fn usual(call: &str) -> Reply {
    match call {
        "ping" => Reply::Pong("1.41"),
        "version" => answer(200, r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#),
        "create" => answer(201, r#"{"Id":"c0ffee","Warnings":[]}"#),
        "there" => answer(404, r#"{"message":"No such container"}"#),
        "look" => answer(200, r#"{"Id":"c0ffee","State":{"Running":true}}"#),
        "image" => answer(200, r#"{"Id":"sha256:1","RepoTags":["the/agent:latest"]}"#),
        "wait" => exit(0),
        _ => answer(204, ""),
    }
}

/// The Engine.
pub struct Engine {
    dir: TempDir,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    /// Starts one. `reply` gets each request's short name ([`name`]) and how often it was made
    /// before. Its thread ends with the process.
    pub fn start(reply: impl FnMut(&str, usize) -> Reply + Send + 'static) -> Engine {
        Engine::start_in(TempDir::new("engine"), reply)
    }

    /// The same, with its socket `s` in this directory.
    pub fn start_in(
        dir: TempDir,
        mut reply: impl FnMut(&str, usize) -> Reply + Send + 'static,
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
                let answer = reply(&call, *count);
                *count += 1;
                seen.lock().unwrap().push(call);
                send(stream, answer);
            }
        });
        Engine { dir, calls }
    }

    /// A client.
    pub fn connect(&self, stop: &Stop) -> Docker {
        Docker::connect(&self.socket(), Duration::from_secs(60), stop).unwrap()
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// The short names of the requests so far.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// Reads a request to its end; its short name. `None`: the client has gone.
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
    name(&first)
}

/// `POST /v1.41/containers/c0ffee/stop?t=10 HTTP/1.1` is `stop?t=10`, and so on.
fn name(request: &str) -> Option<String> {
    let mut words = request.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let last = path.rsplit('/').next()?;
    let name = match (method, last) {
        ("GET", "_ping") if path == "/_ping" => "ping",
        ("GET", "_ping") => "agree",
        ("GET", "json") if path.contains("/images/") => "image",
        // By its name: what is there before a run. By its id: how the run ended.
        ("GET", "json") if path.ends_with("/ecs-agent/json") => "there",
        ("GET", "json") => "look",
        ("DELETE", id) if path.contains("/images/") => return Some(format!("drop {id}")),
        ("DELETE", "ecs-agent?force=1&v=1") => "remove",
        ("POST", "create?name=ecs-agent") => "create",
        _ => last,
    };
    // All but the first two carry the version agreed on.
    let versioned = ["/v1.41/containers/", "/v1.41/images/"];
    if name == "agree" {
        return Some(name.to_owned());
    }
    let right = matches!(name, "ping" | "version")
        != versioned.into_iter().any(|start| path.starts_with(start));
    assert!(right, "{request}");
    Some(name.to_owned())
}

fn send(mut stream: UnixStream, reply: Reply) {
    // A client that was told to stop does not wait for its answer.
    let _ = match reply {
        Reply::HangUp => Ok(()),
        Reply::Answer(status, body) => write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
        Reply::Pong(version) => write!(
            stream,
            "HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nContent-Length: 2\r\n\r\nOK"
        ),
        Reply::Cut => write!(
            stream,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
        Reply::Silence => write!(
            stream,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        .and_then(|()| stream.read(&mut [0]).map(drop)),
    };
}
