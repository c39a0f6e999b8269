//! Guests whose process 1 is the tree's init: the driver is an observer.
//!
//! The initramfs mounts the tree for writing, starts the observer and executes `/sbin/init`. The
//! observer runs this program from the initramfs's memory; it is not in the tree.

use crate::driver::boot::{ROOT_DISK, Step, disk};
use crate::sys::{self, MountFlags};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The word of the kernel's command line that requests this.
const WORD: &str = "observe";

/// The tree's init.
const INIT: &str = "/sbin/init";

/// The observer's argv\[0\]. systemd does not kill processes whose name begins with `@` at a
/// shutdown, <https://systemd.io/ROOT_STORAGE_DAEMONS/>.
const NAME: &str = "@observer";

/// Whether the kernel's command line requests an observer.
///
/// # Errors
/// Errors of reading it.
pub fn wanted() -> io::Result<bool> {
    let words = fs::read_to_string("/proc/cmdline")?;
    Ok(words.split_whitespace().any(|word| word == WORD))
}

/// Switches from the initramfs to the tree's init.
///
/// # Errors
/// The failed step; on success it does not return.
pub fn hand_over() -> io::Result<()> {
    let disk = disk(ROOT_DISK)?;
    fs::create_dir_all("/new")?;
    sys::mount(&disk, "/new", "ext4", MountFlags::NONE, "").step(&disk)?;
    // Like Debian's initramfs.
    for name in ["proc", "sys", "dev"] {
        let target = format!("/new/{name}");
        sys::mount(&format!("/{name}"), &target, "", MountFlags::MOVE, "").step(&target)?;
    }
    sys::switch_root("/new").step("/new")?;
    // The link resolves to the initramfs's file after the switch. The child becomes the init's.
    Command::new("/proc/self/exe")
        .arg0(NAME)
        .arg(WORD)
        .spawn()
        .step("the observer")?;
    sys::execute(INIT, &[]).step(INIT)
}

/// All user processes: `{"PID": {"exe": path, "argv": [word, …]}}`.
///
/// # Errors
/// Errors of reading `/proc`.
pub fn processes() -> io::Result<Value> {
    let mut found = serde_json::Map::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.parse::<u32>().is_err() {
            continue;
        }
        // It has exited, or it is a kernel thread, which has no program.
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
