//! The table of init systems. Detection, installation, removal, `--check` and the tables of the
//! documentation read it. The service files are in `image-build/init/`; packages contain them too.

use super::{Init, PROGRAM};
use crate::bake::Change;

/// The service of systemd.
pub(in crate::bake) const SYSTEMD_UNIT: &str = "/usr/lib/systemd/system/ecs.service";
/// A unit of this name overrides [`SYSTEMD_UNIT`] (systemd.unit(5), "Unit File Load Path").
pub(in crate::bake) const OVERRIDING_UNIT: &str = "/etc/systemd/system/ecs.service";
/// Additions to [`SYSTEMD_UNIT`].
pub(in crate::bake) const SYSTEMD_DROP_INS: &str = "/etc/systemd/system/ecs.service.d";

const INITTAB: &str = "/etc/inittab";
/// BusyBox runs the `shutdown` entries in order, and those of a system unmount its file systems:
/// the service's entries go before them.
const INITTAB_SHUTDOWN: &str = ":shutdown:";
const S6_SERVICE: &str = "/etc/s6/service";
const S6_LINUX_INIT_SERVICE: &str = "/etc/s6-linux-init/current/run-image/service";

/// One init system.
#[derive(Debug)]
pub(super) struct InitSpec {
    pub init: Init,
    /// The name that `--init` takes.
    pub name: &'static str,
    /// File names of its process 1: `/sbin/init` resolves to one of them.
    pub process_1: &'static [&'static str],
    /// The path of its process 1 has a component with this prefix.
    pub process_1_prefix: Option<&'static str>,
    /// Files that only a system with this init has.
    pub signs: &'static [&'static str],
    /// Whether `/sbin/init` is always a link to its process 1. If it is, and `/sbin/init` is
    /// another program, `signs` are ignored.
    pub is_always_linked: bool,
    /// Init systems over which it has precedence: it is started by them, or it includes their
    /// files.
    pub precedes: &'static [Init],
    /// The file or directory that it reads. `bake` does not create it: a new one would not have the
    /// system's own services, or would not be read.
    pub required_path: Option<&'static str>,
    /// The init system to use instead, if that one's required path exists.
    pub replaced_by: Option<Init>,
    /// The files of its service.
    pub files: &'static [ServiceFile],
    /// The links of its service: path and target.
    pub links: &'static [(&'static str, &'static str)],
    /// Entries of the inittab.
    pub inittab: Option<Inittab>,
    /// What makes the init system start the service, for the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test of the README"))]
    pub enabled_by: &'static str,
}

/// A file of a service.
#[derive(Debug)]
pub(super) struct ServiceFile {
    /// Its path below `image-build/init/`.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test of the README"))]
    pub source: &'static str,
    /// Its path in the image.
    pub path: &'static str,
    /// Permission bits.
    pub mode: u32,
    /// Its content.
    pub bytes: &'static [u8],
}

/// Entries of `/etc/inittab`.
#[derive(Debug)]
pub(super) struct Inittab {
    /// Their file below `image-build/init/`.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the test of the README"))]
    pub source: &'static str,
    /// The entries, one on each line.
    pub entries: &'static str,
}

macro_rules! service_file {
    ($source:literal, $mode:literal, $path:expr) => {
        ServiceFile {
            source: $source,
            path: $path,
            mode: $mode,
            bytes: include_bytes!(concat!("../../../image-build/init/", $source)),
        }
    };
}

macro_rules! inittab {
    ($source:literal) => {
        Some(Inittab {
            source: $source,
            entries: include_str!(concat!("../../../image-build/init/", $source)),
        })
    };
}

impl InitSpec {
    /// An init system without signs, requirements and files.
    const fn new(init: Init, name: &'static str) -> InitSpec {
        InitSpec {
            init,
            name,
            process_1: &[],
            process_1_prefix: None,
            signs: &[],
            is_always_linked: false,
            precedes: &[],
            required_path: None,
            replaced_by: None,
            files: &[],
            links: &[],
            inittab: None,
            enabled_by: "existing",
        }
    }

    /// The changes that install and enable its service.
    pub(super) fn changes(&self) -> Vec<Change> {
        let files = self
            .files
            .iter()
            .map(|file| Change::file(file.path, file.mode, file.bytes));
        let links = self
            .links
            .iter()
            .map(|(path, target)| Change::link(*path, *target));
        let entries = self
            .inittab
            .iter()
            .flat_map(|inittab| inittab.entries.lines());
        let entries = entries.map(|entry| Change::line(INITTAB, entry, Some(INITTAB_SHUTDOWN)));
        files.chain(links).chain(entries).collect()
    }
}

/// Every init system, in the order of [`Init`].
pub(super) const TABLE: [InitSpec; 9] = [
    InitSpec {
        process_1: &["systemd"],
        signs: &["/usr/lib/systemd/systemd", "/lib/systemd/systemd"],
        is_always_linked: true,
        files: &[service_file!("systemd/ecs.service", 0o644, SYSTEMD_UNIT)],
        links: &[(
            "/etc/systemd/system/multi-user.target.wants/ecs.service",
            SYSTEMD_UNIT,
        )],
        enabled_by: "the link",
        ..InitSpec::new(Init::Systemd, "systemd")
    },
    InitSpec {
        process_1: &["openrc-init"],
        signs: &["/sbin/openrc-run"],
        // Alpine's process 1 is BusyBox; Debian's System V init runs OpenRC's /etc/init.d/rc.
        precedes: &[Init::Busybox, Init::SysV],
        files: &[service_file!("openrc/ecs", 0o755, "/etc/init.d/ecs")],
        links: &[("/etc/runlevels/default/ecs", "/etc/init.d/ecs")],
        enabled_by: "the link",
        ..InitSpec::new(Init::OpenRc, "openrc")
    },
    InitSpec {
        process_1: &["runit-init", "runit"],
        signs: &[
            "/sbin/runit-init",
            "/usr/bin/runit-init",
            "/lib/runit/runit-init",
        ],
        is_always_linked: true,
        files: &[
            service_file!("runit/run", 0o755, "/etc/sv/ecs/run"),
            service_file!("runit/log-run", 0o755, "/etc/sv/ecs/log/run"),
        ],
        links: &[("/etc/runit/runsvdir/default/ecs", "/etc/sv/ecs")],
        enabled_by: "the link",
        ..InitSpec::new(Init::Runit, "runit")
    },
    InitSpec {
        process_1_prefix: Some("s6-svscan"),
        signs: &["/usr/bin/s6-svscan", "/bin/s6-svscan", "/command/s6-svscan"],
        required_path: Some(S6_SERVICE),
        replaced_by: Some(Init::S6LinuxInit),
        // s6-supervise executes `run`; the program needs no script around it.
        links: &[("/etc/s6/service/ecs/run", PROGRAM)],
        enabled_by: "existing: `s6-svscan` scans the directory",
        ..InitSpec::new(Init::S6, "s6")
    },
    InitSpec {
        process_1_prefix: Some("s6-linux-init"),
        required_path: Some(S6_LINUX_INIT_SERVICE),
        links: &[(
            "/etc/s6-linux-init/current/run-image/service/ecs/run",
            PROGRAM,
        )],
        enabled_by: "existing: process 1 copies it to `/run/service`",
        ..InitSpec::new(Init::S6LinuxInit, "s6-linux-init")
    },
    InitSpec {
        // Debian and derivatives; Red Hat and Slackware.
        signs: &["/etc/init.d/rc", "/etc/rc.d/rc"],
        required_path: Some(INITTAB),
        inittab: inittab!("sysvinit/inittab"),
        ..InitSpec::new(Init::SysV, "sysvinit")
    },
    InitSpec {
        process_1: &["upstart"],
        signs: &["/sbin/initctl"],
        // It runs the scripts of System V init.
        precedes: &[Init::SysV],
        files: &[service_file!(
            "upstart/ecs.conf",
            0o644,
            "/etc/init/ecs.conf"
        )],
        ..InitSpec::new(Init::Upstart, "upstart")
    },
    InitSpec {
        process_1: &["busybox"],
        required_path: Some(INITTAB),
        inittab: inittab!("busybox/inittab"),
        ..InitSpec::new(Init::Busybox, "busybox")
    },
    InitSpec::new(Init::None, "none"),
];

#[cfg(test)]
mod tests;
