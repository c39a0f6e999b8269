//! The properties of the host, read once, and its preparation: directories, the file with GPU IDs,
//! the AppArmor profile.

pub(crate) mod apparmor;
mod directories;
mod domain;
pub(crate) mod gpu;
mod os_release;
pub mod state;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::types::Root;

pub(crate) use apparmor::AppArmor;
pub use directories::ROTATING_CREDENTIALS;
pub(crate) use directories::{
    DIRECTORIES, EBS_DIRECTORY, EXEC_CONFIG, make_directories, make_directory,
};

/// Where a host has its certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertStore {
    /// `/etc/pki`: Amazon Linux, RHEL and relatives.
    EtcPki,
    /// `/etc/ssl`: Debian, SUSE and relatives.
    EtcSsl,
}

impl CertStore {
    /// The directory to mount.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            CertStore::EtcPki => "/etc/pki",
            CertStore::EtcSsl => "/etc/ssl",
        }
    }

    /// The directory of the certificates, for `SSL_CERT_DIR`.
    pub(crate) fn certificates(self) -> &'static str {
        match self {
            CertStore::EtcPki => "/etc/pki/tls/certs",
            CertStore::EtcSsl => "/etc/ssl/certs",
        }
    }
}

/// The properties of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `<ID>_<VERSION_ID>` of os-release, or `linux`: `ECS_DETAILED_OS_FAMILY`.
    pub(crate) os_family: String,
    /// Where the certificates are, if there are any.
    pub(crate) cert_store: Option<CertStore>,
    /// AppArmor, if it is used.
    pub(crate) apparmor: Option<AppArmor>,
    /// SELinux is in enforcing mode.
    pub(crate) selinux_enforcing: bool,
    /// `/sys/fs/cgroup` is cgroup v2 (admin-guide/cgroup-v2.rst).
    pub(crate) cgroup_v2: bool,
    /// systemd is process 1 (sd_booted(3)).
    pub(crate) systemd: bool,
    /// There are NVIDIA devices, and the file with their IDs for the agent.
    pub(crate) gpu: bool,
    /// The host has joined an Active Directory domain.
    pub(crate) domain_joined: bool,
    /// The probed paths that exist.
    existing: BTreeSet<PathBuf>,
}

impl Host {
    /// Reads the host below `root`, and probes whether these absolute paths exist.
    pub fn read<P: AsRef<Path>>(root: &Root, paths: impl IntoIterator<Item = P>) -> Host {
        let existing = paths
            .into_iter()
            .filter(|path| root.at(path).exists())
            .map(|path| path.as_ref().to_path_buf())
            .collect();
        let release = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| fs::read_to_string(root.at(path)).ok())
            .map(|text| os_release::OsRelease::parse(&text))
            .unwrap_or_default();
        Host {
            cert_store: cert_store(root, &release),
            os_family: release.family(),
            apparmor: AppArmor::read(root),
            selinux_enforcing: fs::read_to_string(root.at("/sys/fs/selinux/enforce"))
                .is_ok_and(|text| text.trim() == "1"),
            cgroup_v2: root.at("/sys/fs/cgroup/cgroup.controllers").exists(),
            systemd: root.at("/run/systemd/system").is_dir(),
            gpu: root.at(gpu::INFO).is_file() && !gpu::devices(root).is_empty(),
            domain_joined: domain::is_joined(root),
            existing,
        }
    }

    /// Whether a probed path exists.
    pub(crate) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.existing.contains(path.as_ref())
    }
}

/// The directory of the host's distribution if it exists, otherwise the other.
fn cert_store(root: &Root, release: &os_release::OsRelease) -> Option<CertStore> {
    let order = if release.is_like(&["amzn", "rhel", "fedora", "centos"]) {
        [CertStore::EtcPki, CertStore::EtcSsl]
    } else {
        [CertStore::EtcSsl, CertStore::EtcPki]
    };
    // Debian with p11-kit has an /etc/pki without certificates.
    order
        .into_iter()
        .find(|store| root.at(store.certificates()).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn tree(files: &[(&str, &str)]) -> (TempDir, Root) {
        let dir = TempDir::new("host");
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root::new(dir.path());
        (dir, root)
    }

    #[test]
    fn certificate_directory_of_distribution() {
        let both = [("etc/pki/tls/certs/a", ""), ("etc/ssl/certs/a", "")];
        let (_keep, root) = tree(&both);
        assert_eq!(
            Host::read(&root, [""; 0]).cert_store,
            Some(CertStore::EtcSsl)
        );
        fs::write(root.at("/etc/os-release"), "ID=amzn\nVERSION_ID=\"2023\"").unwrap();
        let host = Host::read(&root, [""; 0]);
        assert_eq!(host.cert_store, Some(CertStore::EtcPki));
        assert_eq!(host.os_family, "amzn_2023");
        let (_keep, root) = tree(&[]);
        let host = Host::read(&root, [""; 0]);
        assert_eq!((host.cert_store, host.os_family.as_str()), (None, "linux"));
    }

    #[test]
    fn selinux_cgroups_systemd_and_gpus() {
        let (_keep, root) = tree(&[("sys/fs/selinux/enforce", "0"), ("sys/fs/cgroup/cpu/x", "")]);
        let host = Host::read(&root, [""; 0]);
        assert!(!host.selinux_enforcing && !host.cgroup_v2 && !host.systemd && !host.gpu);
        let (_keep, root) = tree(&[
            ("sys/fs/selinux/enforce", "1"),
            ("sys/fs/cgroup/cgroup.controllers", "cpu"),
            ("run/systemd/system/x", ""),
            ("dev/nvidiactl", ""),
        ]);
        let host = Host::read(&root, [""; 0]);
        assert!(host.selinux_enforcing && host.cgroup_v2 && host.systemd);
        assert!(!host.gpu, "no file with the GPU IDs");
        fs::create_dir_all(root.at(gpu::DIRECTORY)).unwrap();
        fs::write(root.at(gpu::INFO), "{}").unwrap();
        assert!(Host::read(&root, [""; 0]).gpu);
    }

    #[test]
    fn has_probed_and_existing_paths() {
        let (_keep, root) = tree(&[("usr/bin/lsblk", "")]);
        let host = Host::read(&root, ["/usr/bin/lsblk", "/usr/bin/nsenter"]);
        assert!(host.has("/usr/bin/lsblk"));
        assert!(!host.has("/usr/bin/nsenter"));
    }
}
