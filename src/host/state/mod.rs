//! The ID of the EC2 instance in the agent's state: the instance that the agent registered. It is
//! in a bbolt database, `agent.db`; agents before 1.44 used a JSON file. The names of bucket and
//! keys are from the agent's `agent/data` and `agent/statemanager`.

mod bbolt;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Context, Error, Kind, Result};
use crate::fs::if_exists;
use crate::sys::file::open_regular_nofollow;

/// The directory of the agent's state.
pub const DIRECTORY: &str = "/var/lib/ecs/data";
/// The largest part of the JSON file that is read, in bytes. The file contains all tasks.
const JSON_LIMIT: u64 = 16 * 1024 * 1024;
/// The longest accepted ID, in bytes. EC2's IDs have 19.
const ID_LIMIT: usize = 64;

/// The instance ID in the state in `directory`; `None` without a state, or without an ID in it.
///
/// # Errors
/// [`Kind::Io`] if a file cannot be read, [`InvalidInput`](crate::error::Kind::InvalidInput) if it
/// is damaged.
pub fn instance_id(directory: &Path) -> Result<Option<String>> {
    for (name, read) in [
        (
            "agent.db",
            database as fn(File) -> io::Result<Option<String>>,
        ),
        ("ecs_agent_data.json", json),
    ] {
        let path = directory.join(name);
        let context = || format!("read the agent's state in {}", path.display());
        let Some(file) = if_exists(open_regular_nofollow(&path)).context(context)? else {
            continue;
        };
        let id = read(file).map_err(|e| {
            let kind = match e.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Kind::InvalidInput,
                _ => Kind::Io,
            };
            Error::with_source(kind, context(), e)
        })?;
        if let Some(id) = id.filter(|id| is_id(id)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Whether this can be an instance ID: letters, digits and dashes, as it is logged.
pub fn is_id(id: &str) -> bool {
    (1..=ID_LIMIT).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn database(file: File) -> io::Result<Option<String>> {
    let value = bbolt::get(&file, b"metadata", b"ec2-instance-id")?;
    value.map_or(Ok(None), |json| string(&json, ""))
}

fn json(file: File) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    file.take(JSON_LIMIT).read_to_end(&mut text)?;
    string(&text, "/Data/EC2InstanceID")
}

/// The string at this JSON pointer (RFC 6901), if there is one.
fn string(json: &[u8], pointer: &str) -> io::Result<Option<String>> {
    let value: serde_json::Value = serde_json::from_slice(json)?;
    let found = value.pointer(pointer).and_then(|value| value.as_str());
    Ok(found.map(str::to_owned))
}
