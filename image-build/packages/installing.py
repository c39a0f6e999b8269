"""Installs a package into a tree from outside it, whatever the tree's architecture."""

import os
import platform
import subprocess
from pathlib import Path

#: The machine's names for an architecture, and the packages'.
NATIVE = {"x86_64": {"x86_64", "amd64"}, "aarch64": {"aarch64", "arm64"}}[platform.machine()]
#: Where rpm's database may lie: Fedora and Amazon Linux 2023, and all others.
RPM_DATABASES = ["usr/lib/sysimage/rpm", "var/lib/rpm"]


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def run(*command: str | Path) -> subprocess.CompletedProcess:
    """A package manager at work: without an answer to any question it may ask."""
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C",
        "HOME": "/nonexistent",
    }
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )


def runs_here(tree: Path) -> bool:
    """Whether the tree has a shell that this machine can run."""
    command = ["chroot", tree, "/bin/sh", "-c", ":"]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0


def dpkg(tree: Path, *arguments: str | Path) -> subprocess.CompletedProcess:
    """dpkg on the tree. Maintainer scripts run in it if they can, else outside with DPKG_ROOT."""
    admin = tree / "var/lib/dpkg"
    for directory in ["info", "updates", "parts"]:
        (admin / directory).mkdir(parents=True, exist_ok=True)
    for name in ["status", "available"]:
        (admin / name).touch()
    outside = [] if runs_here(tree) else ["--force-script-chrootless"]
    # The log would be the machine's own.
    return run("dpkg", f"--root={tree}", "--log=/dev/null", *outside, *arguments)


def deb(tree: Path, file: Path) -> subprocess.CompletedProcess:
    foreign = output("dpkg-deb", "--field", file, "Architecture") not in NATIVE | {"all"}
    return dpkg(tree, *(["--force-architecture"] if foreign else []), "--install", file)


def rpm(tree: Path, *arguments: str | Path) -> subprocess.CompletedProcess:
    """rpm on the tree, with the database that is there."""
    there = [path for path in RPM_DATABASES if any((tree / path).glob("*"))]
    database = (there or ["var/lib/rpm"])[0]
    (tree / database).mkdir(parents=True, exist_ok=True)
    # Debian's rpm refuses to install without being told that it is meant.
    debian = ["--force-debian"] if os.path.exists("/etc/debian_version") else []
    return run("rpm", "--root", tree, "--dbpath", f"/{database}", *debian, *arguments)


def rpm_file(tree: Path, file: Path) -> subprocess.CompletedProcess:
    foreign = output("rpm", "-qp", "--qf", "%{ARCH}", file) not in NATIVE | {"noarch"}
    return rpm(tree, *(["--ignorearch"] if foreign else []), "-U", file)


def install(tree: Path, file: Path) -> str:
    """The package into the tree; what the package manager said. Raises OSError if it refused."""
    tree = tree.resolve(strict=True)
    kinds = {".deb": deb, ".rpm": rpm_file}
    if file.suffix not in kinds:
        raise OSError(f"{file}: neither a .deb nor a .rpm")
    done = kinds[file.suffix](tree, file.resolve(strict=True))
    if done.returncode:
        raise OSError(f"{file} into {tree}: {done.stdout.strip()}")
    return done.stdout
