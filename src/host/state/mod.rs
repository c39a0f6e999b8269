//! Whose state lies in `/var/lib/ecs/data`: the agent writes there the ID of the EC2 instance that
//! it registered. Agents keep it in a bbolt database, `agent.db`; those before 1.44 in a
//! JSON file. The names are those of the agent's `agent/data` and `agent/statemanager`.

mod bbolt;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Context, Result};
use crate::sys::file::open_regular_nofollow;

/// The agent's state.
pub const DIRECTORY: &str = "/var/lib/ecs/data";
/// The largest JSON file that is read, in bytes. It holds every task.
const JSON_LIMIT: u64 = 16 * 1024 * 1024;
/// The longest ID that is believed, in bytes. EC2's have 19.
const ID_LIMIT: usize = 64;

/// The ID of the EC2 instance that the state in `directory` is of; `None` if there is no state, or
/// none that names an instance.
///
/// # Errors
/// A file is there and cannot be read as what it should be.
pub fn instance_id(directory: &Path) -> Result<Option<String>> {
    for (name, read) in [
        (
            "agent.db",
            database as fn(File) -> io::Result<Option<String>>,
        ),
        ("ecs_agent_data.json", json),
    ] {
        let path = directory.join(name);
        let doing = || format!("read the agent's state in {}", path.display());
        let file = match open_regular_nofollow(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            file => file.context(doing)?,
        };
        let id = read(file).context(doing)?;
        if let Some(id) = id.filter(|id| is_id(id)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Whether this can be an instance's ID. It goes into the log: nothing but what one is made of.
#[must_use]
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

/// The string at this place of a JSON text (RFC 6901), if that is what is there.
fn string(json: &[u8], place: &str) -> io::Result<Option<String>> {
    let value: serde_json::Value = serde_json::from_slice(json)?;
    let found = value.pointer(place).and_then(|value| value.as_str());
    Ok(found.map(str::to_owned))
}
