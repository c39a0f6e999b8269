//! Trees with the layouts of distributions.

use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::testing::TempDir;
use crate::types::Root;

/// A tree of these entries: `path` is an empty file, `path -> target` a link.
fn tree(entries: &[&str]) -> (TempDir, Root) {
    let dir = TempDir::new("init");
    let root = Root::new(dir.path());
    for entry in entries {
        let (path, target) = match entry.split_once(" -> ") {
            Some((path, target)) => (path, Some(target)),
            None => (*entry, None),
        };
        let path = root.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match target {
            Some(target) => symlink(target, path).unwrap(),
            None => fs::write(path, "").unwrap(),
        }
    }
    (dir, root)
}

fn detected(entries: &[&str]) -> Result<Init> {
    let (_dir, root) = tree(entries);
    detect(&Tree::open(root.dir())?)
}

/// The distribution, its init system, the entries of its tree.
const DISTRIBUTIONS: [(&str, Init, &[&str]); 15] = [
    (
        "Debian, systemd",
        Init::Systemd,
        &[
            "/usr/lib/systemd/systemd",
            "/lib -> usr/lib",
            "/sbin -> usr/sbin",
            "/usr/sbin/init -> /lib/systemd/systemd",
            "/etc/init.d/rc",
            "/usr/bin/busybox",
        ],
    ),
    (
        "Amazon Linux, with runit and s6 installed beside",
        Init::Systemd,
        &[
            "/usr/lib/systemd/systemd",
            "/sbin -> usr/sbin",
            "/usr/sbin/init -> ../lib/systemd/systemd",
            "/usr/bin/runit-init",
            "/usr/bin/s6-svscan",
        ],
    ),
    (
        "systemd without systemd-sysv",
        Init::Systemd,
        &["/usr/lib/systemd/systemd"],
    ),
    (
        "Debian, sysvinit",
        Init::SysV,
        &[
            "/sbin/init",
            "/lib/init/rc",
            "/etc/init.d/rc -> /lib/init/rc",
            "/etc/inittab",
            "/bin/busybox",
        ],
    ),
    (
        "Slackware",
        Init::SysV,
        &["/sbin/init", "/etc/inittab", "/etc/rc.d/rc"],
    ),
    (
        "Debian, OpenRC under sysvinit",
        Init::OpenRc,
        &[
            "/sbin/init",
            "/sbin/openrc-run",
            "/sbin/openrc-init",
            "/etc/init.d/rc",
            "/etc/inittab",
        ],
    ),
    (
        "OpenRC's own init",
        Init::OpenRc,
        &["/sbin/init -> openrc-init", "/sbin/openrc-init"],
    ),
    (
        "Alpine",
        Init::OpenRc,
        &[
            "/bin/busybox",
            "/sbin/init -> /bin/busybox",
            "/sbin/openrc-run",
            "/etc/inittab",
        ],
    ),
    (
        "Debian, runit",
        Init::Runit,
        &[
            "/lib/runit/runit-init",
            "/sbin/init -> /lib/runit/runit-init",
            "/etc/init.d/rc",
        ],
    ),
    (
        "Void",
        Init::Runit,
        &[
            "/sbin -> usr/bin",
            "/usr/bin/runit-init",
            "/usr/bin/init -> runit-init",
        ],
    ),
    (
        "s6-linux-init",
        Init::S6LinuxInit,
        &[
            "/sbin/init -> /etc/s6-linux-init/current/bin/init",
            "/etc/s6-linux-init/current -> 1",
            "/etc/s6-linux-init/1/bin/init",
            "/etc/s6-linux-init/1/run-image/service/.s6-svscan/crash",
            "/etc/s6/service/.s6-svscan/crash",
        ],
    ),
    (
        "s6-linux-init, whose init was copied to /sbin",
        Init::S6LinuxInit,
        &[
            "/sbin/init",
            "/bin/s6-svscan",
            "/etc/s6-linux-init/current/run-image/service/.s6-svscan/crash",
        ],
    ),
    (
        "s6-svscan started by a script",
        Init::S6,
        &[
            "/sbin/init",
            "/usr/bin/s6-svscan",
            "/bin -> usr/bin",
            "/etc/s6/service/.s6-svscan/crash",
        ],
    ),
    (
        "Amazon Linux 1, upstart",
        Init::Upstart,
        &[
            "/sbin/init",
            "/sbin/initctl",
            "/etc/rc.d/rc",
            "/etc/inittab",
        ],
    ),
    (
        "Buildroot",
        Init::Busybox,
        &[
            "/bin/busybox",
            "/sbin/init -> ../bin/busybox",
            "/etc/inittab",
        ],
    ),
];

#[test]
fn distributions_are_detected() {
    for (name, init, entries) in DISTRIBUTIONS {
        assert_eq!(detected(entries).unwrap(), init, "{name}");
    }
}

/// Each error lists the files that were found, and mentions `--init`.
#[test]
fn zero_or_several_inits_are_listed_in_the_error() {
    let cases: [(&[&str], &[&str]); 7] = [
        (
            &[],
            &["/sbin/init does not exist", "no file of a known init"],
        ),
        (&["/sbin/init"], &["/sbin/init is /sbin/init", "no file"]),
        (
            &["/sbin/init", "/etc/init.d/rc", "/usr/bin/s6-svscan"],
            &["/etc/init.d/rc (sysvinit)", "/usr/bin/s6-svscan (s6)"],
        ),
        // Process 1 is another program: systemd is installed for its libraries.
        (
            &["/sbin/init", "/usr/lib/systemd/systemd"],
            &["/usr/lib/systemd/systemd (systemd)"],
        ),
        (
            &["/bin/busybox", "/sbin/init -> /bin/busybox"],
            &["/etc/inittab, which does not exist"],
        ),
        // If bake created the directory, nothing would scan it.
        (
            &["/sbin/init", "/usr/bin/s6-svscan"],
            &["/etc/s6/service, which does not exist"],
        ),
        (
            &[
                "/etc/s6-linux-init/current/bin/init",
                "/sbin/init -> /etc/s6-linux-init/current/bin/init",
                "/etc/s6/service/.s6-svscan/crash",
            ],
            &["current/run-image/service, which does not exist"],
        ),
    ];
    for (entries, words) in cases {
        let error = detected(entries).unwrap_err().to_string();
        for word in words.iter().chain(&["--init", "--init none"]) {
            assert!(error.contains(word), "{entries:?}: {error}");
        }
    }
}

#[test]
fn links_are_followed_in_the_tree() {
    let (_dir, root) = tree(&[
        "/a -> /b",
        "/b -> ../../../../c/./d",
        "/c/d",
        "/round -> /turn",
        "/turn -> round",
        "/gone -> /nowhere",
    ]);
    let at = |path: &str| {
        Tree::open(root.dir())
            .unwrap()
            .target_in_image(path.as_ref())
    };
    assert_eq!(at("/a"), Some(PathBuf::from("/c/d")));
    assert_eq!(at("/../a"), Some(PathBuf::from("/c/d")));
    assert_eq!(at("/round"), None);
    assert_eq!(at("/gone"), None);
    // It exists on this machine, but not in the tree.
    assert_eq!(at("/proc/self/exe"), None);
}
