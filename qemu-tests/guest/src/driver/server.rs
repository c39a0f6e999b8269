//! Requests and answers: `{"id": n, "op": name, …}` in, `{"id": n, "ok": value}`
//! or `{"id": n, "error": text, "kind": kind}` out.
//!
//! Bytes are encoded as strings of Latin-1 characters, so that a log of the channel is readable.

use crate::driver::channel::Channel;
use crate::driver::exchange::exchange;
use crate::driver::process::{Exit, Spec, Table};
use crate::driver::{boot, files, netif, notify, observe};
use crate::sys;
use serde_json::{Value, json};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Serves requests until the channel ends.
///
/// # Errors
/// Errors of the channel, or `UnexpectedEof` if the harness has ended.
pub fn serve(mut channel: Channel) -> io::Result<()> {
    let children = Table::start();
    while let Some(line) = channel.read_line()? {
        let request: Value = match serde_json::from_slice(&line) {
            Ok(request) => request,
            Err(error) => {
                sys::console(&format!("not a request: {error}"));
                continue;
            }
        };
        let answer = match perform(&Request(&request), &children) {
            Ok(value) => json!({"id": request["id"], "ok": value}),
            Err(error) => json!({
                "id": request["id"],
                "error": error.to_string(),
                "kind": format!("{:?}", error.kind()),
            }),
        };
        channel.write_line(&answer.to_string())?;
    }
    Err(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the harness has ended",
    ))
}

fn perform(request: &Request<'_>, children: &Table) -> io::Result<Value> {
    match request.text("op")? {
        "hello" => Ok(json!({"arch": std::env::consts::ARCH})),
        "spawn" => {
            let pid = children.spawn(&Spec {
                argv: &request.texts("argv")?,
                env: &request.pairs("env")?,
                cwd: request.0["cwd"].as_str(),
                stdout: request.text("stdout")?,
                stderr: request.text("stderr")?,
            })?;
            Ok(json!(pid))
        }
        "wait" => {
            let exit = children.wait(request.pid()?, request.milliseconds("timeout_ms")?)?;
            Ok(match exit {
                None => Value::Null,
                Some(Exit::Code(code)) => json!({"code": code}),
                Some(Exit::Signal(signal)) => json!({"signal": signal}),
            })
        }
        "kill" => {
            let signal = i32::try_from(request.number("signal")?).map_err(io::Error::other)?;
            children.kill(request.pid()?, signal).map(|()| Value::Null)
        }
        // To any process; "kill" is for children only.
        "signal" => {
            let signal = i32::try_from(request.number("signal")?).map_err(io::Error::other)?;
            sys::kill(request.pid()?, signal).map(|()| Value::Null)
        }
        "processes" => observe::processes(),
        "exchange" => {
            let answer = exchange(
                request.text("to")?,
                &request.bytes("head")?,
                request.0["body"].as_str(),
                request.milliseconds("timeout_ms")?,
            )?;
            Ok(latin1(&answer))
        }
        "read" => {
            let offset = request.0["offset"].as_u64().unwrap_or(0);
            files::read(request.text("path")?, offset).map(|data| latin1(&data))
        }
        "write" => {
            let mode = request.0["mode"]
                .as_u64()
                .and_then(|mode| u32::try_from(mode).ok());
            files::write(request.text("path")?, &request.bytes("data")?, mode)?;
            Ok(Value::Null)
        }
        "mkdir" => std::fs::create_dir_all(request.text("path")?).map(|()| Value::Null),
        "symlink" => {
            std::os::unix::fs::symlink(request.text("target")?, request.text("path")?)?;
            Ok(Value::Null)
        }
        "remove" => files::remove(request.text("path")?).map(|()| Value::Null),
        "stat" => files::stat(request.text("path")?),
        "list" => files::list(request.text("path")?).map(|names| json!(names)),
        "listen" => {
            notify::listen(request.text("socket")?, request.text("to")?).map(|()| Value::Null)
        }
        "configure" => {
            let address = |key| {
                let text = request.text(key)?;
                text.parse()
                    .map_err(|_| invalid(&format!("{key}: not an address: {text}")))
            };
            let prefix = u32::try_from(request.number("prefix")?).map_err(io::Error::other)?;
            netif::configure(
                request.text("name")?,
                address("address")?,
                prefix,
                address("gateway")?,
            )?;
            Ok(Value::Null)
        }
        "clock" => {
            let seconds = i64::try_from(request.number("seconds")?).map_err(io::Error::other)?;
            sys::set_clock(seconds).map(|()| Value::Null)
        }
        "job" => {
            boot::unpack_job(request.text("serial")?, Path::new(request.text("to")?))?;
            Ok(Value::Null)
        }
        "ruleset" => sys::netfilter::ruleset().map(|dump| latin1(&dump)),
        other => Err(invalid(&format!("unknown op: {other}"))),
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

fn latin1(bytes: &[u8]) -> Value {
    Value::String(bytes.iter().map(|byte| char::from(*byte)).collect())
}

/// Access to a request's members by type.
struct Request<'a>(&'a Value);

impl Request<'_> {
    fn text(&self, key: &str) -> io::Result<&str> {
        self.0[key]
            .as_str()
            .ok_or_else(|| invalid(&format!("{key} must be a string")))
    }

    fn number(&self, key: &str) -> io::Result<u64> {
        self.0[key]
            .as_u64()
            .ok_or_else(|| invalid(&format!("{key} must be a number")))
    }

    fn pid(&self) -> io::Result<i32> {
        i32::try_from(self.number("pid")?).map_err(io::Error::other)
    }

    fn milliseconds(&self, key: &str) -> io::Result<Duration> {
        Ok(Duration::from_millis(self.number(key)?))
    }

    fn bytes(&self, key: &str) -> io::Result<Vec<u8>> {
        self.text(key)?
            .chars()
            .map(|c| {
                u8::try_from(u32::from(c)).map_err(|_| invalid(&format!("{key} is not bytes")))
            })
            .collect()
    }

    fn texts(&self, key: &str) -> io::Result<Vec<String>> {
        let wrong = || invalid(&format!("{key} must be a list of strings"));
        self.0[key]
            .as_array()
            .ok_or_else(wrong)?
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect()
    }

    fn pairs(&self, key: &str) -> io::Result<Vec<(String, String)>> {
        let wrong = || invalid(&format!("{key} must map strings to strings"));
        self.0[key]
            .as_object()
            .ok_or_else(wrong)?
            .iter()
            .map(|(name, value)| Ok((name.clone(), value.as_str().ok_or_else(wrong)?.to_owned())))
            .collect()
    }
}
