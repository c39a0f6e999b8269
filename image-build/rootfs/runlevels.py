"""Enables Debian's boot scripts: makes the links that update-rc.d(8) would make.

The order follows the scripts' LSB headers. Scripts that a guest does not need (hardware clock,
modules, network file systems) are left out.
"""

import re
from pathlib import Path

BOOT = ("mountkernfs.sh", "hostname.sh", "mountdevsubfs.sh", "checkroot.sh",
        "checkroot-bootclean.sh", "mountall.sh", "mountall-bootclean.sh", "urandom", "procps",
        "networking", "bootmisc.sh")
STOP = ("sendsigs", "urandom", "umountfs", "umountroot")


def sysv(root: Path, services: tuple[str, ...] = ("docker",)) -> None:
    """Fills `/etc/rc?.d` for sysv-rc; `services` run in runlevels 2 to 5."""
    _links(root, "S", "S", BOOT)
    for level in "2345":
        _links(root, level, "S", services)
    for level, last in (("0", "halt"), ("6", "reboot")):
        _links(root, level, "K", (*services, *STOP, last))


def _links(root: Path, level: str, kind: str, scripts: tuple[str, ...]) -> None:
    directory = root / f"etc/rc{level}.d"
    directory.mkdir(exist_ok=True)
    for number, script in enumerate(scripts, start=1):
        (directory / f"{kind}{number:02}{script}").symlink_to(f"../init.d/{script}")


def openrc(root: Path) -> None:
    """Fills `/etc/runlevels` as OpenRC's maintainer script does from `/etc/rc?.d`."""
    for level, scripts in (("sysinit", (*BOOT, "cgroups")), ("default", ("docker",)),
                           ("off", ("sendsigs", "umountfs", "umountroot", "savecache"))):
        for script in scripts:
            (root / "etc/runlevels" / level / script).symlink_to(f"/etc/init.d/{script}")


def inittab(root: Path) -> None:
    """Writes Debian's /etc/inittab without login entries: a guest has no terminal."""
    lines = (root / "usr/share/sysvinit/inittab").read_text().splitlines(keepends=True)
    login = re.compile(r"^[^#].*/(getty|sulogin)\b")
    (root / "etc/inittab").write_text("".join(line for line in lines if not login.match(line)))


def runit(root: Path) -> None:
    """Runs sysv-rc's scripts in runit's stages 1 and 3; dockerd is a runit service."""
    sysv(root, services=())
    (root / "etc/runit/runsvdir/default/getty-tty1").unlink()
    # Stage 2 looks for the packages' services here.
    (root / "usr/share/runit/sv.src").mkdir(parents=True, exist_ok=True)


#: Links to BusyBox: Debian's busybox-static does not make them, a BusyBox image has them.
APPLETS = {
    "bin": "sh ash cat chgrp chmod chown cp cut date dd df dmesg du echo env false find grep gzip "
           "head hostname id kill ln ls mkdir mknod mount mv ps pwd rm rmdir sed sleep sort stat "
           "sync tail tar tee test touch tr true umount uname uniq vi wc wget which xargs",
    "sbin": "halt ifconfig init insmod ip lsmod modprobe pivot_root poweroff reboot rmmod route "
            "start-stop-daemon switch_root sysctl",
}


def busybox(root: Path) -> None:
    for directory, names in APPLETS.items():
        for name in names.split():
            link = root / "usr" / directory / name
            if not link.exists() and not link.is_symlink():
                link.symlink_to("/usr/bin/busybox")
