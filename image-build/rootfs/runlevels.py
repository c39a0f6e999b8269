"""Which of Debian's boot scripts run when: the links that update-rc.d(8) would make.

In the order of their LSB headers. Those are left out that have nothing to do in
a guest: its clock, its modules, file systems of a network.
"""

import re
from pathlib import Path

BOOT = ("mountkernfs.sh", "hostname.sh", "mountdevsubfs.sh", "checkroot.sh",
        "checkroot-bootclean.sh", "mountall.sh", "mountall-bootclean.sh", "urandom", "procps",
        "networking", "bootmisc.sh")
STOP = ("sendsigs", "urandom", "umountfs", "umountroot")


def sysv(root: Path, services: tuple[str, ...] = ("docker",)) -> None:
    """`/etc/rc?.d` for sysv-rc: `services` run in the levels 2 to 5."""
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
    """`/etc/runlevels`, as the package's own script makes them of `/etc/rc?.d`."""
    for level, scripts in (("sysinit", (*BOOT, "cgroups")), ("default", ("docker",)),
                           ("off", ("sendsigs", "umountfs", "umountroot", "savecache"))):
        for script in scripts:
            (root / "etc/runlevels" / level / script).symlink_to(f"/etc/init.d/{script}")


def inittab(root: Path) -> None:
    """Debian's own, without the logins: a guest has no terminal to wait for."""
    lines = (root / "usr/share/sysvinit/inittab").read_text().splitlines(keepends=True)
    login = re.compile(r"^[^#].*/(getty|sulogin)\b")
    (root / "etc/inittab").write_text("".join(line for line in lines if not login.match(line)))


def runit(root: Path) -> None:
    """runit's stages 1 and 3 run sysv-rc's scripts; dockerd is a service of runit's own."""
    sysv(root, services=())
    (root / "etc/runit/runsvdir/default/getty-tty1").unlink()
    # Stage 2 looks there for services of packages.
    (root / "usr/share/runit/sv.src").mkdir(parents=True, exist_ok=True)


#: Debian's busybox-static makes no links; an image of busybox has them.
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
