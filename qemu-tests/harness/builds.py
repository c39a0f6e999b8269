"""The programs the stages need: ecs-init as it was built, and the guest crate's."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import rootfs
from .errors import HarnessError

REPOSITORY = Path(__file__).resolve().parents[2]
GUEST = REPOSITORY / "qemu-tests" / "guest"
CARGO_MUSL = REPOSITORY / "image-build" / "toolchain" / "cargo-musl"


@dataclass(frozen=True)
class Programs:
    """The guest crate's programs for one architecture."""

    driver: Path
    agent: Path
    probe: Path


def guest_programs(arch: str) -> Programs:
    """Builds the guest crate; cargo does nothing where nothing changed."""
    target = f"{arch}-unknown-linux-musl"
    if CARGO_MUSL.exists():
        argv = [CARGO_MUSL, arch, "build", "--release", "--locked", "--quiet"]
    else:
        argv = ["cargo", "build", "--release", "--locked", "--quiet", "--target", target]
    # Our own target directory, wherever the caller builds.
    env = {k: v for k, v in os.environ.items() if k not in ("CARGO_TARGET_DIR", "RUSTFLAGS")}
    done = subprocess.run(argv, cwd=GUEST, env=env, capture_output=True, text=True)
    if done.returncode:
        raise HarnessError(f"qemu-tests/guest does not build for {target}:\n{done.stderr.strip()}")
    at = GUEST / "target" / target / "release"
    return Programs(at / "driver", at / "agent", at / "probe")


def root(engine: rootfs.Engine, sort: str, driver: Path) -> Path:
    """The root directory of a host in namespaces."""
    if engine.suites == rootfs.OWN.suites:
        return rootfs.guest.build("x86_64", sort, driver).root
    if sort != "full":
        raise HarnessError(f"there is no {sort} host with Docker {engine.name}")
    return rootfs.guest.root(engine, driver)


def under_test(arch: str, directory: Path | None, debug: bool) -> Path:
    """ecs-init's binary: from `directory` (`ecs-init-ARCH` or `ecs-init`), or as make leaves it."""
    target = REPOSITORY / "target"
    places = [target / f"{arch}-unknown-linux-musl" / "release" / "ecs-init"]
    if directory:
        places = [directory / f"ecs-init-{arch}", directory / "ecs-init"]
    elif debug:
        places = [target / f"{arch}-unknown-linux-musl" / "debug" / "ecs-init"]
    for path in places:
        if path.is_file():
            interpreter, needed = rootfs.elf.needs(path)
            if interpreter or needed:
                raise HarnessError(f"{path} is not static, and the hosts have no libraries for it: "
                                   f"image-build/toolchain/cargo-musl {arch} build")
            return path
    raise HarnessError(f"no ecs-init for {arch} at {' or '.join(map(str, places))}: "
                       "run make, or image-build/toolchain/cargo-musl x86_64 build and --debug, "
                       "or say --binary-dir")


def missing_tools(stages: list[str]) -> list[str]:
    """Debian packages to install before these stages can run."""
    wanted = {"gpg": "gpg", "openssl": "openssl", "ip": "iproute2", "unshare": "util-linux",
              "mke2fs": "e2fsprogs", "dpkg-deb": "dpkg", "tar": "tar"}
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for tool, package in wanted.items() if not shutil.which(tool, path=path)]
    if "ns" in stages and platform.machine() != "x86_64":
        raise HarnessError("the stage ns is made for x86_64: choose --stage x86_64,aarch64")
    return missing
