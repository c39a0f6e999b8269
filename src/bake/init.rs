//! The init system of a tree: which one it is, and what it is given to start the agent.

use std::fmt;
use std::str::FromStr;

/// An init system that ecs-init has a service for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// systemd.
    Systemd,
    /// OpenRC.
    OpenRc,
    /// runit.
    Runit,
    /// s6, with `s6-svscan` over `/etc/s6/service` or what the tree has.
    S6,
    /// System V init with `/etc/init.d` and `rc?.d`.
    SysV,
    /// upstart.
    Upstart,
    /// BusyBox init, which reads `/etc/inittab`.
    Busybox,
    /// None of them: `ecs-init run` is started by whatever is process 1.
    None,
}

impl Init {
    /// Every init, under the name that `--init` takes.
    pub const ALL: [(&'static str, Init); 8] = [
        ("systemd", Init::Systemd),
        ("openrc", Init::OpenRc),
        ("runit", Init::Runit),
        ("s6", Init::S6),
        ("sysvinit", Init::SysV),
        ("upstart", Init::Upstart),
        ("busybox", Init::Busybox),
        ("none", Init::None),
    ];
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, init)| init == self);
        f.write_str(name.map_or("none", |(name, _)| name))
    }
}

impl FromStr for Init {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text);
        found.map(|(_, init)| *init).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
            format!(
                "'{text}' is no init system known here: {}",
                known.join(", ")
            )
        })
    }
}
