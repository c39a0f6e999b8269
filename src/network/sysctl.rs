//! Kernel settings in `/proc/sys`.

use std::fs;
use std::io;

use crate::error::{Context, Result};
use crate::types::Interface;
use crate::types::Root;

const ALL_ROUTE_LOCALNET: &str = "/proc/sys/net/ipv4/conf/all/route_localnet";
const DEFAULT_ROUTE_LOCALNET: &str = "/proc/sys/net/ipv4/conf/default/route_localnet";

/// Sets `all.route_localnet`: the kernel then routes packets from other interfaces to 127.0.0.1, to
/// which the rule in PREROUTING redirects requests of tasks for credentials.
///
/// # Errors
/// The file cannot be read or written.
pub(super) fn set_route_localnet(root: &Root) -> Result<()> {
    set(root, ALL_ROUTE_LOCALNET, "1")
}

/// Sets `all.route_localnet` back to the value of `default`.
///
/// # Errors
/// One of the files cannot be read or written.
pub(super) fn reset_route_localnet(root: &Root) -> Result<()> {
    let path = root.at(DEFAULT_ROUTE_LOCALNET);
    let value = fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
    set(root, ALL_ROUTE_LOCALNET, value.trim())
}

/// Disables router advertisements on the bridge: with them, a container can become the host's IPv6
/// router. Does nothing without IPv6 or without the bridge.
///
/// # Errors
/// The file exists and cannot be read or written.
pub(super) fn refuse_router_advertisements(root: &Root, bridge: &Interface) -> Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{bridge}/accept_ra");
    match fs::exists(root.at(&path)) {
        Ok(false) => {
            log::debug!("{path} does not exist: nothing to set");
            Ok(())
        }
        _ => set(root, &path, "0"),
    }
}

/// Writes a value unless the file has it: a read-only `/proc/sys` is an error only if the value
/// differs.
fn set(root: &Root, path: &str, value: &str) -> Result<()> {
    let file = root.at(path);
    let before = fs::read_to_string(&file).context(|| format!("read {}", file.display()))?;
    if before.trim() == value {
        return Ok(());
    }
    write(&file, value).context(|| format!("write {value} to {}", file.display()))?;
    log::info!("{path} set to {value} (it was {})", before.trim());
    Ok(())
}

/// Writes with one write(2), as the kernel requires, and does not create the file.
fn write(file: &std::path::Path, value: &str) -> io::Result<()> {
    use std::io::Write;

    fs::OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all(format!("{value}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    /// A root directory with these settings.
    fn root(files: &[(&str, &str)]) -> (TempDir, Root) {
        let dir = TempDir::new("sysctl");
        let root = Root::new(dir.path());
        for (path, value) in files {
            let file = root.at(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, value).unwrap();
        }
        (dir, root)
    }

    fn value(root: &Root, path: &str) -> String {
        fs::read_to_string(root.at(path)).unwrap()
    }

    #[test]
    fn route_localnet_is_set_and_reset_to_the_default() {
        for default in ["0\n", "1\n"] {
            let (_dir, root) = root(&[
                (ALL_ROUTE_LOCALNET, "0\n"),
                (DEFAULT_ROUTE_LOCALNET, default),
            ]);
            set_route_localnet(&root).unwrap();
            assert_eq!(value(&root, ALL_ROUTE_LOCALNET), "1\n");
            reset_route_localnet(&root).unwrap();
            assert_eq!(value(&root, ALL_ROUTE_LOCALNET), default);
        }
    }

    #[test]
    fn missing_bridge_is_ignored_and_creates_no_file() {
        let path = "/proc/sys/net/ipv6/conf/docker0/accept_ra";
        let (_dir, root) = root(&[]);
        refuse_router_advertisements(&root, &Interface::docker0()).unwrap();
        assert!(!root.at(path).exists());
        assert!(set_route_localnet(&root).is_err());
        let (_dir, root) = self::root(&[(path, "1\n")]);
        refuse_router_advertisements(&root, &Interface::docker0()).unwrap();
        assert_eq!(value(&root, path), "0\n");
    }
}
