//! A guest whose process 1 is the tree's own init: the driver only watches.
//!
//! The initramfs mounts the tree as it is, for reading and writing, starts the
//! observer, and becomes `/sbin/init`. The observer is this same program, run
//! from the initramfs's memory: the tree holds nothing of it.

use crate::driver::boot::{ROOT_DISK, Step, disk};
use crate::sys::{self, MountFlags};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The word of the kernel's command line that asks for this.
const WORD: &str = "observe";

/// What the tree is asked to start.
const INIT: &str = "/sbin/init";

/// The observer's argv\[0\]. systemd's last sweep before a shutdown spares what begins with `@`,
/// see <https://systemd.io/ROOT_STORAGE_DAEMONS/>.
const NAME: &str = "@observer";

/// Whether the kernel was told so.
///
/// # Errors
/// What reading its command line gave.
pub fn wanted() -> io::Result<bool> {
    let words = fs::read_to_string("/proc/cmdline")?;
    Ok(words.split_whitespace().any(|word| word == WORD))
}

/// From the initramfs, its modules loaded, to the tree's init.
///
/// # Errors
/// The step that failed; on success it does not return.
pub fn hand_over() -> io::Result<()> {
    let disk = disk(ROOT_DISK)?;
    fs::create_dir_all("/new")?;
    sys::mount(&disk, "/new", "ext4", MountFlags::NONE, "").step(&disk)?;
    // As Debian's own initramfs leaves them to the init.
    for name in ["proc", "sys", "dev"] {
        let target = format!("/new/{name}");
        sys::mount(&format!("/{name}"), &target, "", MountFlags::MOVE, "").step(&target)?;
    }
    sys::switch_root("/new").step("/new")?;
    // The link leads to the initramfs's file, whatever the root is now. Nobody waits for the
    // child: it is the init's from here on.
    Command::new("/proc/self/exe")
        .arg0(NAME)
        .arg(WORD)
        .spawn()
        .step("the observer")?;
    sys::execute(INIT, &[]).step(INIT)
}

/// All processes but the kernel's: `{"PID": {"exe": path, "argv": [word, …]}}`.
///
/// # Errors
/// What reading `/proc` gave.
pub fn processes() -> io::Result<Value> {
    let mut found = serde_json::Map::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.parse::<u32>().is_err() {
            continue;
        }
        // One that ends while we look is none, and the kernel's own have no program.
        let Ok(program) = fs::read_link(format!("/proc/{name}/exe")) else {
            continue;
        };
        let line = fs::read(format!("/proc/{name}/cmdline")).unwrap_or_default();
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        let words = line.split(|byte| *byte == 0);
        let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
        found.insert(
            name,
            json!({"exe": program.to_string_lossy(), "argv": words}),
        );
    }
    Ok(Value::Object(found))
}
