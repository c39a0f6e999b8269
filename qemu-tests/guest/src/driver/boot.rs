//! Prepares a host for dockerd: mounts, devices, hostname, loopback.
//!
//! Three entry points: a guest's initramfs, its root after the switch, and namespaces of this
//! machine. If the tree has its own init, [`observe`] continues after the initramfs.

use crate::driver::{netif, observe, ustar};
use crate::sys::{self, MountFlags};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Serial number of the disk with a guest's root.
pub(super) const ROOT_DISK: &str = "root";

/// This program's path in a guest's root.
const PROGRAM: &str = "/sbin/driver";

/// Adds the failed step to an error.
pub(super) trait Step<T> {
    fn step(self, what: impl AsRef<OsStr>) -> io::Result<T>;
}

impl<T> Step<T> for io::Result<T> {
    fn step(self, what: impl AsRef<OsStr>) -> io::Result<T> {
        self.map_err(|error| {
            let what = what.as_ref().to_string_lossy().into_owned();
            io::Error::new(error.kind(), format!("{what}: {error}"))
        })
    }
}

fn mount(source: &str, target: &str, kind: &str, options: &str) -> io::Result<()> {
    fs::create_dir_all(target).step(target)?;
    sys::mount(source, target, kind, MountFlags::NONE, options).step(target)
}

/// A guest's first process: loads the modules, finds the root and switches to it.
///
/// # Errors
/// The failed step; on success it does not return.
pub fn initramfs() -> io::Result<()> {
    mount("proc", "/proc", "proc", "")?;
    mount("sysfs", "/sys", "sysfs", "")?;
    mount("devtmpfs", "/dev", "devtmpfs", "")?;
    // Numbered in the order of their dependencies.
    let mut modules: Vec<PathBuf> = fs::read_dir("/modules")
        .step("/modules")?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    modules.sort();
    for module in &modules {
        sys::load_module(&fs::read(module).step(module)?).step(module)?;
        // Frees the initramfs's memory.
        fs::remove_file(module).step(module)?;
    }

    if observe::wanted()? {
        return observe::hand_over();
    }
    let disk = disk(ROOT_DISK)?;
    fs::create_dir_all("/lower")?;
    sys::mount(&disk, "/lower", "ext4", MountFlags::READ_ONLY, "noload").step(&disk)?;
    mount("tmpfs", "/upper", "tmpfs", "size=90%")?;
    overlay("/lower", "/upper", "/new")?;
    for name in ["proc", "sys", "dev"] {
        let target = format!("/new/{name}");
        sys::mount(&format!("/{name}"), &target, "", MountFlags::MOVE, "").step(&target)?;
    }
    sys::switch_root("/new").step("/new")?;
    sys::execute(PROGRAM, &["guest"]).step(PROGRAM)
}

fn overlay(lower: &str, work: &str, target: &str) -> io::Result<()> {
    let (upper, scratch) = (format!("{work}/upper"), format!("{work}/work"));
    for directory in [&upper, &scratch, &target.to_owned()] {
        fs::create_dir_all(directory).step(directory)?;
    }
    let options = format!("lowerdir={lower},upperdir={upper},workdir={scratch}");
    sys::mount("overlay", target, "overlay", MountFlags::NONE, &options).step(target)
}

/// Prepares a guest's root after the switch.
///
/// # Errors
/// The failed step.
pub fn guest() -> io::Result<()> {
    mount("cgroup2", "/sys/fs/cgroup", "cgroup2", "")?;
    mount("devpts", "/dev/pts", "devpts", "")?;
    mount("mqueue", "/dev/mqueue", "mqueue", "")?;
    // Missing on a kernel without security modules.
    let _ = mount("securityfs", "/sys/kernel/security", "securityfs", "");
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")?;
    for controller in controllers.split_whitespace() {
        fs::write(
            "/sys/fs/cgroup/cgroup.subtree_control",
            format!("+{controller}"),
        )
        .step(controller)?;
    }
    common()
}

/// Prepares new namespaces: an overlay over `root`, with its changes in `work`, becomes the root.
///
/// # Errors
/// The failed step.
pub fn namespace(root: &Path, work: &Path) -> io::Result<()> {
    let work = work.to_string_lossy().into_owned();
    mount("tmpfs", &work, "tmpfs", "mode=755")?;
    let new = format!("{work}/root");
    overlay(&root.to_string_lossy(), &work, &new)?;
    mount("proc", &format!("{new}/proc"), "proc", "")?;
    mount("sysfs", &format!("{new}/sys"), "sysfs", "")?;
    mount("tmpfs", &format!("{new}/dev"), "tmpfs", "mode=755")?;
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let node = format!("{new}/dev/{name}");
        fs::write(&node, "").step(&node)?;
        sys::mount(&format!("/dev/{name}"), &node, "", MountFlags::BIND, "").step(&node)?;
    }
    let cgroups = format!("{new}/sys/fs/cgroup");
    sys::mount("/sys/fs/cgroup", &cgroups, "", MountFlags::BIND_ALL, "").step(&cgroups)?;
    sys::pivot_root(&new).step(&new)?;
    mount("devpts", "/dev/pts", "devpts", "")?;
    common()
}

fn common() -> io::Result<()> {
    for target in ["/dev/shm", "/run", "/tmp"] {
        mount("tmpfs", target, "tmpfs", "")?;
    }
    // Docker's overlay2 cannot be on an overlay.
    mount("tmpfs", "/var/lib/docker", "tmpfs", "size=90%")?;
    for (link, target) in [
        ("fd", "fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        let link = format!("/dev/{link}");
        if fs::symlink_metadata(&link).is_err() {
            std::os::unix::fs::symlink(format!("/proc/self/{target}"), &link).step(&link)?;
        }
    }
    sys::set_hostname("host").step("hostname")?;
    netif::loopback().step("lo")
}

/// Waits for the block device with this serial number.
pub(super) fn disk(serial: &str) -> io::Result<String> {
    for _ in 0..3000 {
        for entry in fs::read_dir("/sys/block")? {
            let entry = entry?;
            let found = fs::read_to_string(entry.path().join("serial")).unwrap_or_default();
            if found.trim() == serial {
                return Ok(format!("/dev/{}", entry.file_name().to_string_lossy()));
            }
        }
        sleep(Duration::from_millis(20));
    }
    let message = format!("no disk with serial {serial}");
    Err(io::Error::new(io::ErrorKind::NotFound, message))
}

/// Unpacks the archive on the disk with this serial number.
///
/// # Errors
/// Errors of finding, reading or unpacking.
pub fn unpack_job(serial: &str, to: &Path) -> io::Result<()> {
    let disk = disk(serial)?;
    let file = fs::File::open(&disk).step(&disk)?;
    // A restored snapshot can have cached blocks of the earlier disk.
    sys::forget_blocks(&file).step(&disk)?;
    ustar::unpack(io::BufReader::with_capacity(1 << 20, file), to).step(&disk)
}
