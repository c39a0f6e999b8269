"""The programs of the stages: ecs-init as built, and the guest crate's."""

import os
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
    """Builds the guest crate with cargo; quick if nothing changed."""
    target = f"{arch}-unknown-linux-musl"
    if CARGO_MUSL.exists():
        argv = [CARGO_MUSL, arch, "build", "--release", "--locked", "--quiet"]
    else:
        argv = ["cargo", "build", "--release", "--locked", "--quiet", "--target", target]
    # The crate's target directory, whatever the caller's environment.
    env = {k: v for k, v in os.environ.items() if k not in ("CARGO_TARGET_DIR", "RUSTFLAGS")}
    done = subprocess.run(argv, cwd=GUEST, env=env, capture_output=True, text=True)
    if done.returncode:
        raise HarnessError(f"qemu-tests/guest does not build for {target}:\n{done.stderr.strip()}")
    at = GUEST / "target" / target / "release"
    return Programs(at / "driver", at / "agent", at / "probe")


def root(engine: rootfs.Engine, variant: str, driver: Path) -> Path:
    """The root directory of a host in namespaces."""
    if engine.suites == rootfs.OWN.suites:
        return rootfs.guest.build("x86_64", variant, driver).root
    if variant != "full":
        raise HarnessError(f"no {variant} host with Docker {engine.name}")
    return rootfs.guest.root(engine, driver)


def under_test(arch: str, directory: Path | None, debug: bool) -> Path:
    """ecs-init's binary: from `directory` (`ecs-init-ARCH` or `ecs-init`), or from `target`."""
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
                raise HarnessError(f"{path} is not static, and the hosts have no libraries: "
                                   f"image-build/toolchain/cargo-musl {arch} build")
            return path
    if directory:
        how = f"put it there, or run make {arch} without --binary-dir"
    elif debug:
        how = f"image-build/toolchain/cargo-musl {arch} build"
    else:
        how = f"make {arch}"
        if arch == "x86_64":
            how += " (or, for stage ns, image-build/toolchain/cargo-musl x86_64 build and --debug)"
    raise HarnessError(f"no ecs-init for {arch} at {' or '.join(map(str, places))}: {how}")
