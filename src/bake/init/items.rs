//! What each init is given. The files lie in `image-build/init/`, whose README says why they are
//! as they are; packages take the same ones.

use super::Init;
use crate::bake::Item;

const SYSTEMD: &[u8] = include_bytes!("../../../image-build/init/systemd/ecs.service");
const OPENRC: &[u8] = include_bytes!("../../../image-build/init/openrc/ecs");
const RUNIT: &[u8] = include_bytes!("../../../image-build/init/runit/run");
const RUNIT_LOG: &[u8] = include_bytes!("../../../image-build/init/runit/log-run");
const UPSTART: &[u8] = include_bytes!("../../../image-build/init/upstart/ecs.conf");
const SYSV: &str = include_str!("../../../image-build/init/sysvinit/inittab");
const BUSYBOX: &str = include_str!("../../../image-build/init/busybox/inittab");

/// Where the binary lies in an image, as Amazon's packages put theirs.
pub(in crate::bake) const BINARY: &str = "/usr/libexec/amazon-ecs-init";
/// The service of systemd.
pub(in crate::bake) const UNIT: &str = "/usr/lib/systemd/system/ecs.service";
/// What System V init and BusyBox read.
pub(super) const INITTAB: &str = "/etc/inittab";
/// What `s6-svscan` scans, where it is process 1 by itself.
pub(super) const S6_SERVICES: &str = "/etc/s6/service";
/// What s6-linux-init copies to the directory that it scans, `/run/service`.
pub(super) const S6_RUN_IMAGE: &str = "/etc/s6-linux-init/current/run-image/service";

pub(super) fn items(init: Init) -> Vec<Item> {
    match init {
        Init::Systemd => {
            let wanted = "/etc/systemd/system/multi-user.target.wants/ecs.service";
            vec![Item::file(UNIT, 0o644, SYSTEMD), Item::link(wanted, UNIT)]
        }
        Init::OpenRc => {
            let script = "/etc/init.d/ecs";
            vec![
                Item::file(script, 0o755, OPENRC),
                Item::link("/etc/runlevels/default/ecs", script),
            ]
        }
        Init::Runit => vec![
            Item::file("/etc/sv/ecs/run", 0o755, RUNIT),
            Item::file("/etc/sv/ecs/log/run", 0o755, RUNIT_LOG),
            Item::link("/etc/runit/runsvdir/default/ecs", "/etc/sv/ecs"),
        ],
        Init::S6 => s6(S6_SERVICES),
        Init::S6LinuxInit => s6(S6_RUN_IMAGE),
        Init::SysV => lines(SYSV),
        Init::Upstart => vec![Item::file("/etc/init/ecs.conf", 0o644, UPSTART)],
        Init::Busybox => lines(BUSYBOX),
        Init::None => Vec::new(),
    }
}

/// s6-supervise executes `run`: the binary, by that name, needs no shell around it.
fn s6(services: &str) -> Vec<Item> {
    vec![Item::link(format!("{services}/ecs/run"), BINARY)]
}

fn lines(text: &'static str) -> Vec<Item> {
    // What BusyBox does at shutdown it does in order, and the file's own lines unmount.
    let line = |line| Item::line(INITTAB, line).before(":shutdown:");
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bake::Content;

    #[test]
    fn every_init_starts_the_binary_and_is_enabled() {
        for (name, init) in Init::ALL {
            let items = items(init);
            let starts = items.iter().any(|item| match &item.content {
                Content::File { bytes, .. } => String::from_utf8_lossy(bytes).contains(BINARY),
                Content::Link { target } => target.as_os_str() == BINARY,
                Content::Line { text, .. } => text.contains(BINARY),
                _ => false,
            });
            assert_eq!(starts, init != Init::None, "{name}");
            assert!(items.iter().all(|item| item.path.is_absolute()), "{name}");
        }
        let enabled = |init: Init, at: &str, to: &str| items(init).contains(&Item::link(at, to));
        assert!(enabled(
            Init::Systemd,
            "/etc/systemd/system/multi-user.target.wants/ecs.service",
            "/usr/lib/systemd/system/ecs.service"
        ));
        assert!(enabled(
            Init::OpenRc,
            "/etc/runlevels/default/ecs",
            "/etc/init.d/ecs"
        ));
        let services = "/etc/runit/runsvdir/default/ecs";
        assert!(enabled(Init::Runit, services, "/etc/sv/ecs"));
    }

    /// Two units that wait for each other: user data runs in cloud-final, which many systems order
    /// after multi-user.target, which by default waits for what it wants.
    #[test]
    fn the_unit_waits_for_docker_and_for_nothing_that_waits_for_it() {
        let unit = String::from_utf8_lossy(SYSTEMD);
        let has = |line: &str| unit.lines().any(|l| l == line);
        assert!(has("After=docker.service") && has("Wants=docker.service"));
        assert!(has("DefaultDependencies=no"));
        let order = unit.lines().filter_map(|line| line.split_once('='));
        for (key, value) in order.filter(|(key, _)| ["After", "Requires", "Wants"].contains(key)) {
            let waits = value.contains("cloud") || value.contains("multi-user");
            assert!(!waits, "{key}={value}");
        }
        for line in [
            "Type=notify",
            "Restart=on-failure",
            "RestartPreventExitStatus=5",
        ] {
            assert!(has(line), "{line}");
        }
    }

    /// systemd takes a group that it does not know, because it is older, out of the list.
    #[test]
    fn an_older_systemd_denies_the_unit_no_more() {
        let unit = String::from_utf8_lossy(SYSTEMD);
        let filters = unit
            .lines()
            .filter_map(|l| l.strip_prefix("SystemCallFilter="));
        let filters: Vec<_> = filters.collect();
        assert!(!filters.is_empty());
        for list in filters {
            assert!(list.starts_with('~'), "{list}");
        }
    }

    /// sysvinit ignores an entry whose identifier has more than four characters; both inits want
    /// four fields.
    #[test]
    fn the_lines_of_inittab_have_four_fields_and_a_short_identifier() {
        for init in [Init::SysV, Init::Busybox] {
            for item in items(init) {
                let Content::Line { text, .. } = item.content else {
                    panic!("{init}: {item:?}");
                };
                let fields: Vec<_> = text.splitn(4, ':').collect();
                assert_eq!(fields.len(), 4, "{text}");
                assert!(fields[0].len() <= 4, "{text}");
                assert!(fields[3].starts_with(BINARY), "{text}");
            }
        }
    }

    /// Read by a real shell, without being run.
    #[test]
    fn the_scripts_are_a_shells() {
        for script in [OPENRC, RUNIT, RUNIT_LOG] {
            let mut shell = std::process::Command::new("sh")
                .arg("-n")
                .stdin(std::process::Stdio::piped())
                .spawn()
                .expect("there is a sh");
            let mut input = shell.stdin.take().unwrap();
            std::io::Write::write_all(&mut input, script).unwrap();
            drop(input);
            assert!(shell.wait().unwrap().success());
        }
    }
}
