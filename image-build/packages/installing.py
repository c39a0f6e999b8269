"""Installs a package into a root tree of any architecture, from outside the tree."""

import os
import platform
import subprocess
from pathlib import Path

#: The names of this machine's architecture: the kernel's and Debian's.
NATIVE = {"x86_64": {"x86_64", "amd64"}, "aarch64": {"aarch64", "arm64"}}[platform.machine()]
#: Locations of rpm's database: Fedora and Amazon Linux 2023; all others.
RPM_DATABASES = ["usr/lib/sysimage/rpm", "var/lib/rpm"]


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def run(*command: str | Path) -> subprocess.CompletedProcess:
    """Runs a package manager with a fixed environment and without stdin for questions."""
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
    """Runs dpkg on the tree. Maintainer scripts run inside it if possible, else outside with
    DPKG_ROOT."""
    admin = tree / "var/lib/dpkg"
    for directory in ["info", "updates", "parts"]:
        (admin / directory).mkdir(parents=True, exist_ok=True)
    for name in ["status", "available"]:
        (admin / name).touch()
    outside = [] if runs_here(tree) else ["--force-script-chrootless"]
    # Otherwise dpkg writes to this machine's log.
    return run("dpkg", f"--root={tree}", "--log=/dev/null", *outside, *arguments)


def deb(tree: Path, file: Path) -> subprocess.CompletedProcess:
    foreign = output("dpkg-deb", "--field", file, "Architecture") not in NATIVE | {"all"}
    return dpkg(tree, *(["--force-architecture"] if foreign else []), "--install", file)


def rpm(tree: Path, *arguments: str | Path) -> subprocess.CompletedProcess:
    """Runs rpm on the tree, with the tree's database."""
    there = [path for path in RPM_DATABASES if any((tree / path).glob("*"))]
    database = (there or ["var/lib/rpm"])[0]
    (tree / database).mkdir(parents=True, exist_ok=True)
    # Debian's rpm refuses to install without this option.
    debian = ["--force-debian"] if os.path.exists("/etc/debian_version") else []
    return run("rpm", "--root", tree, "--dbpath", f"/{database}", *debian, *arguments)


def rpm_file(tree: Path, file: Path) -> subprocess.CompletedProcess:
    foreign = output("rpm", "-qp", "--qf", "%{ARCH}", file) not in NATIVE | {"noarch"}
    return rpm(tree, *(["--ignorearch"] if foreign else []), "-U", file)


def install(tree: Path, file: Path) -> str:
    """Installs the package into the tree and returns the package manager's output.

    Raises OSError if it fails.
    """
    tree = tree.resolve(strict=True)
    kinds = {".deb": deb, ".rpm": rpm_file}
    if file.suffix not in kinds:
        raise OSError(f"{file}: neither a .deb nor a .rpm")
    done = kinds[file.suffix](tree, file.resolve(strict=True))
    if done.returncode:
        raise OSError(f"{file} into {tree}: {done.stdout.strip()}")
    return done.stdout
