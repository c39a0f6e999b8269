//! The init system of a tree: which one it is, and the service that starts the agent.

mod detect;
mod table;

use std::fmt;
use std::str::FromStr;

use super::Change;
use super::tree::Tree;
use crate::error::{Error, Result};
pub(super) use detect::{check, detect};
use table::{InitSpec, TABLE};
pub(super) use table::{OVERRIDING_UNIT, SYSTEMD_DROP_INS, SYSTEMD_UNIT};

/// Where the program is in an image, as in Amazon's packages. Every service starts it.
pub(super) const PROGRAM: &str = "/usr/libexec/amazon-ecs-init";

/// An init system that ecs-init has a service for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// systemd.
    Systemd,
    /// OpenRC.
    OpenRc,
    /// runit.
    Runit,
    /// s6, with `s6-svscan` over `/etc/s6/service`.
    S6,
    /// s6-linux-init, which copies its `run-image` to `/run` and runs `s6-svscan` over the
    /// `service` directory in it ("The s6-linux-init-maker program" in its documentation).
    S6LinuxInit,
    /// System V init, which reads `/etc/inittab`.
    SysV,
    /// upstart.
    Upstart,
    /// BusyBox init, which reads `/etc/inittab`.
    Busybox,
    /// None of them: process 1 starts `ecs-init run` itself.
    None,
}

impl Init {
    /// Every init system.
    pub(crate) fn all() -> impl Iterator<Item = Init> {
        TABLE.iter().map(|spec| spec.init)
    }

    /// The name that `--init` takes.
    pub(crate) fn name(self) -> &'static str {
        self.spec().name
    }

    /// The changes that install and enable its service, without [`PROGRAM`].
    pub(super) fn service(self) -> Vec<Change> {
        self.spec().changes()
    }

    fn spec(self) -> &'static InitSpec {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Init {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Init::all().find(|init| init.name() == text).ok_or_else(|| {
            let names: Vec<_> = Init::all().map(Init::name).collect();
            let why = format!("unknown init system; use one of {}", names.join(", "));
            Error::invalid(why)
        })
    }
}
