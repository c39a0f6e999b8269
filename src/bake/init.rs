//! The init system of a tree: which one it is, and what it is given to start the agent.

mod detect;
mod items;

use std::fmt;
use std::str::FromStr;

use super::Item;
use crate::error::Result;
use crate::types::Root;
pub(super) use items::{BINARY, UNIT};

/// An init system that ecs-init has a service for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// systemd.
    Systemd,
    /// OpenRC.
    OpenRc,
    /// runit.
    Runit,
    /// s6, with `s6-svscan` over `/etc/s6/service`; as an order, [`Init::S6LinuxInit`] where the
    /// tree has that.
    S6,
    /// s6-linux-init, which copies its `run-image` to `/run`, and has `s6-svscan` over the
    /// `service` in it ("The s6-linux-init-maker program" in its documentation).
    S6LinuxInit,
    /// System V init, which reads `/etc/inittab`.
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
    pub const ALL: [(&'static str, Init); 9] = [
        ("systemd", Init::Systemd),
        ("openrc", Init::OpenRc),
        ("runit", Init::Runit),
        ("s6", Init::S6),
        ("s6-linux-init", Init::S6LinuxInit),
        ("sysvinit", Init::SysV),
        ("upstart", Init::Upstart),
        ("busybox", Init::Busybox),
        ("none", Init::None),
    ];

    /// The init of the tree at `root`, by what `/sbin/init` leads to in it (as chroot would follow
    /// the links) and by what lies there. Never [`Init::None`]: that is for a person to say.
    ///
    /// # Errors
    /// If there is none that is known, or more than one it can be: what was found, and `--init`.
    pub fn detect(root: &Root) -> Result<Init> {
        detect::detect(root)
    }

    /// This init, if what it reads is in the tree at `root`. s6 may be s6-linux-init there.
    ///
    /// # Errors
    /// If there is none: what to write first.
    pub fn fits(self, root: &Root) -> Result<Init> {
        detect::fits(self, root)
    }

    /// What this init is given: its service, enabled. The parent directories are made as needed.
    /// The binary is not among it: all of it starts `/usr/libexec/amazon-ecs-init`.
    #[must_use]
    pub fn items(self) -> Vec<Item> {
        items::items(self)
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, init)| init == self);
        f.write_str(name.map_or("none", |(name, _)| name))
    }
}

impl FromStr for Init {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
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
