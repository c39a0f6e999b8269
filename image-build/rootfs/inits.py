#!/usr/bin/env python3
"""Builds root trees with a real init system that starts dockerd, and without ecs-init.

A tree models a user's image before `ecs-init bake`: Debian packages, and the configuration that
an administrator writes by hand (`files/INIT`).

`inits.py ARCH INIT` builds a tree and prints its path.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import archive  # noqa: E402
import cached  # noqa: E402
import image  # noqa: E402
import install  # noqa: E402
import kernel  # noqa: E402
import runlevels  # noqa: E402
import tree as minimal  # noqa: E402

#: Tools that Debian's scripts and packages rely on.
BASE = ("docker.io", "base-files", "dpkg", "dash", "bash", "coreutils", "sed", "grep", "mawk",
        "findutils", "hostname", "util-linux", "mount", "iproute2", "procps", "debianutils",
        "libc-bin", "kmod")

SYSV = ("initscripts", "ifupdown", "orphan-sysvinit-scripts")


@dataclass(frozen=True)
class Init:
    """An init system: its packages, the directories in `files` to copy, and further steps."""

    packages: tuple[str, ...]
    files: tuple[str, ...]
    steps: tuple[Callable[[Path], None], ...] = ()


INITS = {
    "systemd": Init((*BASE, "systemd-sysv", "dbus"), ("systemd",)),
    "openrc": Init((*BASE, *SYSV, "sysvinit-core", "openrc"), ("sysv",),
                   (runlevels.openrc, runlevels.inittab)),
    "runit": Init((*BASE, *SYSV, "runit-init", "sysv-rc"), ("sysv", "runit"), (runlevels.runit,)),
    "s6": Init((*BASE, "s6", "execline", "busybox-static"), ("s6",)),
    "sysvinit": Init((*BASE, *SYSV, "sysvinit-core", "sysv-rc"), ("sysv",),
                     (runlevels.sysv, runlevels.inittab)),
    "busybox": Init(("docker.io", "base-files", "libc-bin", "busybox-static"), ("busybox",),
                    (runlevels.busybox,)),
    # No init system: process 1 is a static program, as in a custom appliance.
    "none": Init(minimal.PACKAGES, ()),
}

#: Free space of an image in megabytes, for containers and for what later boots write.
FREE = 512


def tree(arch: str, init: str) -> Path:
    """The tree of one init, built if it is not in the cache. Do not write into it: see `copy`."""
    if init not in INITS or arch not in minimal.ARCHITECTURES:
        raise ValueError(f"no tree for {init} on {arch}; inits: {' '.join(INITS)}; "
                         f"architectures: {' '.join(minimal.ARCHITECTURES)}")
    taken = archive.fetch(minimal.ARCHITECTURES[arch][0], None, INITS[init].packages)
    given = [_static("pid1", arch)] if init == "none" else [
        HERE / "files" / name for name in ("common", *INITS[init].files)]

    def make(done: Path) -> None:
        root = done / "root"
        root.mkdir()
        if init == "none":
            _minimal(arch, taken["packages"], given[0], root)
        else:
            _installed(INITS[init], taken["packages"], given, root)
        (done / "packages.json").write_text(json.dumps(taken, indent=1) + "\n")

    digest = _digest(json.dumps(taken["sha256"], sort_keys=True), *given)
    place = archive.cache_root() / "trees"
    return cached.directory(place, f"{arch}-{init}", digest, make) / "root"


def _installed(init: Init, debs: list[str], given: list[Path], root: Path) -> None:
    install.configure(install.unpack(debs, root), root)
    for step in init.steps:
        step(root)
    for files in given:
        subprocess.run(["cp", "-a", "--no-preserve=ownership", f"{files}/.", root], check=True)


def _minimal(arch: str, debs: list[str], pid1: Path, root: Path) -> None:
    """A root without shell and package database: dockerd, its dependencies, and process 1."""
    with tempfile.TemporaryDirectory(dir=root.parent) as temporary:
        minimal.unpack(debs, Path(temporary, "packages"))
        minimal.build(arch, "full", Path(temporary, "packages"), pid1, root, at="usr/sbin/init")
    (root / "etc/hostname").write_text("host\n")


def _static(program: str, arch: str) -> Path:
    """The path of a program of the guest crate, built by cargo if it is out of date."""
    crate = HERE.parents[1] / "qemu-tests/guest"
    # Always the crate's own target directory.
    env = {k: v for k, v in os.environ.items() if k not in ("CARGO_TARGET_DIR", "RUSTFLAGS")}
    subprocess.run([HERE.parent / "toolchain/cargo-musl", arch, "build", "--release", "--locked",
                    "--quiet"], cwd=crate, env=env, check=True)
    return crate / "target" / f"{arch}-unknown-linux-musl" / "release" / program


def copy(source: Path, to: Path) -> None:
    """Copies a tree. Files below /usr are hard links to the source where both are on one mount:
    replace them, do not write into them."""
    to.mkdir(parents=True)
    linked = _can_link(source, to)
    for entry in sorted(source.iterdir()):
        how = "--link" if linked and entry.name == "usr" else "--reflink=auto"
        subprocess.run(["cp", "-a", how, entry, to], check=True)
    shutil.copystat(source, to)


def _can_link(source: Path, to: Path) -> bool:
    """Whether files of one directory can be hard links in the other. The device number does not
    say: a bind mount has that of its file system."""
    file = next(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
    try:
        os.link(file, to / ".link")
    except OSError:
        return False
    (to / ".link").unlink()
    return True


def disk(source: Path, to: Path) -> None:
    """Makes a sparse ext4 image of a tree, with a journal and FREE megabytes of free space."""
    image.ext4(source, to, free=FREE, journal=True)


@dataclass(frozen=True)
class Kernel:
    """The kernel and initramfs with which QEMU boots a tree's image."""

    kernel: Path
    initramfs: Path


def boot(arch: str, driver: Path) -> Kernel:
    """The kernel, and an initramfs with its modules and `driver` as /init."""
    debian = minimal.ARCHITECTURES[arch][0]
    taken = archive.fetch(debian, f"linux-image-cloud-{debian}", minimal.PACKAGES)

    def make(done: Path) -> None:
        with tempfile.TemporaryDirectory(dir=done.parent) as temporary:
            work = Path(temporary)
            shutil.copyfile(kernel.unpack(taken["kernel"], work), done / "kernel")
            image.initramfs(driver, kernel.modules(work), done / "initramfs")

    digest = _digest(Path(taken["kernel"]).name, driver)
    place = cached.directory(archive.cache_root() / "trees", f"{arch}-kernel", digest, make)
    return Kernel(place / "kernel", place / "initramfs")


def _digest(text: str, *inputs: Path) -> str:
    """A digest of a text, of these files and directories, and of the code in this directory."""
    state = hashlib.sha256(text.encode())
    for top in (*sorted(HERE.glob("*.py")), *inputs):
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            state.update(f"{path.relative_to(top)}\0{path.lstat().st_mode:o}\0".encode())
            if path.is_symlink():
                state.update(os.readlink(path).encode())
            elif path.is_file():
                state.update(path.read_bytes())
    return state.hexdigest()[:16]


if __name__ == "__main__":
    try:
        _arch, _init = sys.argv[1:]
        print(tree({"amd64": "x86_64", "arm64": "aarch64"}.get(_arch, _arch), _init))
    except ValueError as error:
        print(f"{error}\nusage: inits.py ARCH INIT", file=sys.stderr)
        sys.exit(2)
