//! What this host is. Read once, below the root; everything after it is a decision about data.

pub mod apparmor;
mod directories;
mod domain;
pub mod gpu;
mod os_release;
pub mod state;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::types::Root;

pub use apparmor::AppArmor;
pub use directories::{
    DIRECTORIES, EBS_DIRECTORY, EXEC_CONFIG, ROTATING_CREDENTIALS, make_directories, make_directory,
};

/// Where a host keeps its certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pki {
    /// Amazon Linux, RHEL and their family: `/etc/pki`.
    Pki,
    /// Debian, SUSE and their family: `/etc/ssl`.
    Ssl,
}

impl Pki {
    /// The directory to mount.
    #[must_use]
    pub fn directory(self) -> &'static str {
        match self {
            Pki::Pki => "/etc/pki",
            Pki::Ssl => "/etc/ssl",
        }
    }

    /// The directory of single certificates, `SSL_CERT_DIR`.
    #[must_use]
    pub fn certificates(self) -> &'static str {
        match self {
            Pki::Pki => "/etc/pki/tls/certs",
            Pki::Ssl => "/etc/ssl/certs",
        }
    }
}

/// What this host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `<ID>_<VERSION_ID>` of os-release, else `linux`: `ECS_DETAILED_OS_FAMILY`.
    pub os_family: String,
    /// Where certificates are, if anywhere.
    pub pki: Option<Pki>,
    /// AppArmor, where it is used.
    pub apparmor: Option<AppArmor>,
    /// SELinux refuses what its policy does not allow.
    pub selinux_enforcing: bool,
    /// `/sys/fs/cgroup` is one hierarchy, cgroup v2 (admin-guide/cgroup-v2.rst).
    pub cgroup_unified: bool,
    /// systemd is process 1 (sd_booted(3)).
    pub systemd: bool,
    /// There are NVIDIA devices, and the file that tells the agent which GPUs they are.
    pub gpu: bool,
    /// The host has joined an Active Directory domain.
    pub domain_joined: bool,
    /// There is IPv6 in the kernel.
    pub ipv6: bool,
    /// Of the paths asked about, those that exist.
    present: BTreeSet<PathBuf>,
}

impl Host {
    /// Looks at the host below `root`; `asked` are absolute paths whose existence matters.
    pub fn read<P: AsRef<Path>>(root: &Root, asked: impl IntoIterator<Item = P>) -> Host {
        let present = asked
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
            pki: pki(root, &release),
            os_family: release.family(),
            apparmor: AppArmor::read(root),
            selinux_enforcing: fs::read_to_string(root.at("/sys/fs/selinux/enforce"))
                .is_ok_and(|text| text.trim() == "1"),
            cgroup_unified: root.at("/sys/fs/cgroup/cgroup.controllers").exists(),
            systemd: root.at("/run/systemd/system").is_dir(),
            gpu: root.at(gpu::INFO).is_file() && !gpu::devices(root).is_empty(),
            domain_joined: domain::joined(root),
            ipv6: root.at("/proc/sys/net/ipv6").exists(),
            present,
        }
    }

    /// Whether one of the paths asked about exists.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.present.contains(path.as_ref())
    }
}

/// The directory of the host's own family if it is there, else the one that is.
fn pki(root: &Root, release: &os_release::OsRelease) -> Option<Pki> {
    let order = if release.is_like(&["amzn", "rhel", "fedora", "centos"]) {
        [Pki::Pki, Pki::Ssl]
    } else {
        [Pki::Ssl, Pki::Pki]
    };
    // A Debian with p11-kit has an /etc/pki without certificates, hence their directory decides.
    order
        .into_iter()
        .find(|pki| root.at(pki.certificates()).is_dir())
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
    fn the_certificates_of_the_family() {
        let both = [("etc/pki/tls/certs/a", ""), ("etc/ssl/certs/a", "")];
        let (_keep, root) = tree(&both);
        assert_eq!(Host::read(&root, [""; 0]).pki, Some(Pki::Ssl));
        fs::write(root.at("/etc/os-release"), "ID=amzn\nVERSION_ID=\"2023\"").unwrap();
        let host = Host::read(&root, [""; 0]);
        assert_eq!(host.pki, Some(Pki::Pki));
        assert_eq!(host.os_family, "amzn_2023");
        let (_keep, root) = tree(&[]);
        let host = Host::read(&root, [""; 0]);
        assert_eq!((host.pki, host.os_family.as_str()), (None, "linux"));
    }

    #[test]
    fn selinux_cgroups_systemd_and_gpus() {
        let (_keep, root) = tree(&[("sys/fs/selinux/enforce", "0"), ("sys/fs/cgroup/cpu/x", "")]);
        let host = Host::read(&root, [""; 0]);
        assert!(!host.selinux_enforcing && !host.cgroup_unified && !host.systemd && !host.gpu);
        let (_keep, root) = tree(&[
            ("sys/fs/selinux/enforce", "1"),
            ("sys/fs/cgroup/cgroup.controllers", "cpu"),
            ("run/systemd/system/x", ""),
            ("dev/nvidiactl", ""),
        ]);
        let host = Host::read(&root, [""; 0]);
        assert!(host.selinux_enforcing && host.cgroup_unified && host.systemd);
        assert!(!host.gpu, "nothing tells the agent which GPUs there are");
        fs::create_dir_all(root.at(gpu::DIRECTORY)).unwrap();
        fs::write(root.at(gpu::INFO), "{}").unwrap();
        assert!(Host::read(&root, [""; 0]).gpu);
    }

    #[test]
    fn only_what_was_asked_about_and_exists_is_there() {
        let (_keep, root) = tree(&[("usr/bin/lsblk", "")]);
        let host = Host::read(&root, ["/usr/bin/lsblk", "/usr/bin/nsenter"]);
        assert!(host.has("/usr/bin/lsblk"));
        assert!(!host.has("/usr/bin/nsenter"));
    }
}
