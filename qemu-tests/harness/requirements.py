"""What a run needs from this machine, checked before anything is built or downloaded."""

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from . import builds
from .baking import DEBIAN, INSTALLERS, Boot, packages
from .case import Case
from .errors import HarnessError

#: Program and Debian package, for every stage.
TOOLS = {"gpg": "gpg", "gpg-agent": "gpg-agent", "openssl": "openssl", "ip": "iproute2",
         "unshare": "util-linux", "mke2fs": "e2fsprogs", "dpkg-deb": "dpkg", "tar": "tar"}

#: The other architecture's compiler, by architecture.
COMPILERS = {"aarch64": ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
             "x86_64": ("x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu")}

#: Debian installs Python modules here, which serves another python3 as well.
DIST_PACKAGES = "/usr/lib/python3/dist-packages"

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

CARGO_MUSL = "image-build/toolchain/cargo-musl"


def missing(archs: Iterable[str], ns: bool, cases: list[Case], boots: list[Boot],
            booted: list[str], binaries: Path | None, debug: bool,
            tools: dict[str, str]) -> list[str]:
    """One line for each missing thing, with the command that provides it; empty if all is there.
    `tools` are more programs and their packages. QEMU and the hosts' packages are not checked: the
    harness installs and downloads them."""
    archs = list(dict.fromkeys(archs))
    found = []
    if os.geteuid() != 0:
        found.append("not root: the stages create namespaces and mounts; run this as root")
    if ns and platform.machine() != "x86_64":
        found.append(f"stage ns runs on x86_64 only, this is {platform.machine()}: "
                     "add --stage x86_64,aarch64")
    if names := _packages(archs, cases, tools):
        found.append(f"missing Debian packages: apt-get install --yes {' '.join(names)}")
    if not shutil.which("cargo"):
        found.append("missing cargo, which builds the guest programs: install Rust, "
                     "https://rustup.rs")
    # Boots are baked by this machine's own binary.
    for arch in [*archs, *([platform.machine()] if booted and not archs else [])]:
        try:
            builds.under_test(arch, binaries, debug)
        except HarnessError as error:
            found.append(str(error))
    for installer in dict.fromkeys(boot.installer for boot in boots if boot.installer != "bake"):
        for arch in booted:
            if installer in INSTALLERS and len(packages(installer, arch)) != 1:
                found.append(f"no {installer} package for {DEBIAN[arch]} in target/dist: make packages")
    return list(dict.fromkeys(found))


def _packages(archs: list[str], cases: list[Case], tools: dict[str, str]) -> list[str]:
    """Debian packages of the programs and modules that are missing."""
    names = [package for tool, package in (TOOLS | tools).items() if not _has(tool)]
    for arch in archs:
        compiler, package = COMPILERS[arch]
        if arch != platform.machine() and not _has(compiler):
            names.append(package)
    if any(case.needs_botocore for case in cases) and not _has_botocore():
        names.append("python3-botocore")
    return list(dict.fromkeys(names))


def _has(tool: str) -> bool:
    # gpg-agent is started by gpg and need not be in PATH.
    return bool(shutil.which(tool, path=PATH) or shutil.which(tool, path="/usr/lib/gnupg"))


def _has_botocore() -> bool:
    if DIST_PACKAGES not in sys.path:
        sys.path.append(DIST_PACKAGES)
    return importlib.util.find_spec("botocore") is not None
