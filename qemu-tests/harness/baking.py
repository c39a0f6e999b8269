"""Prepares a tree with an init for a boot: installs a package, runs `ecs-init bake`."""

import json
import platform
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from . import rootfs
from .errors import Failed
from .world import VERSION, Artifacts

#: The cluster in a baked tree's configuration.
CLUSTER = "baked"

#: Debian's names of architectures. bake accepts these and the kernel's.
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}

TIMEOUT = 120


@dataclass(frozen=True)
class Baker:
    """ecs-init on this machine, and what it installs into trees of one architecture."""

    #: The program that runs on this machine.
    program: Path
    #: The program that is installed into the tree.
    binary: Path
    artifacts: Artifacts
    #: The directory of the tar, its signature and the certificate.
    work: Path

    @property
    def arch(self) -> str:
        return self.artifacts.arch

    def run(self, *words: object) -> subprocess.CompletedProcess:
        """`ecs-init bake` with an empty environment."""
        argv = [self.program, "bake", *words]
        return subprocess.run(argv, env={}, capture_output=True, text=True, timeout=TIMEOUT)

    def bake(self, tree: Path, init: str) -> None:
        """Runs `ecs-init bake` with a local tar, keyring and configuration; needs no network."""
        tar = self.work / f"agent-{self.arch}.tar"
        tar.write_bytes(self.artifacts.tar)
        Path(f"{tar}.asc").write_bytes(self.artifacts.signature)
        keyring = self.work / f"keyring-{self.arch}.asc"
        keyring.write_bytes(self.artifacts.world.trusted.certificate)
        # The init is detected, except for a tree without one.
        init_option = ["--init", "none"] if init == "none" else []
        binary_option = ["--binary", self.binary] if self.arch != platform.machine() else []
        done = self.run("--root", tree, "--arch", DEBIAN[self.arch], "--agent-version", VERSION,
                        "--tar", tar, "--keyring", keyring,
                        "--config", f"ECS_CLUSTER={CLUSTER}", *init_option, *binary_option)
        if done.returncode:
            raise Failed(f"bake: exit {done.returncode}:\n{done.stdout}{done.stderr}")

    def check(self, tree: Path) -> None:
        """Runs `bake --check`, which must find nothing."""
        done = self.run("--check", tree)
        if done.returncode:
            raise Failed(f"bake --check: exit {done.returncode} on a fresh tree:\n"
                         f"{done.stdout}{done.stderr}")


def image_id(archive: bytes) -> str:
    """The ID of an archive's image: its configuration's digest."""
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))
    return "sha256:" + manifest[0]["Config"].removesuffix(".json")


#: How ecs-init gets into a tree before bake, from the tree and its architecture.
Installer = Callable[[Path, str], None]


def package(suffix: str) -> Installer:
    """Installs a package of `make packages` into the tree."""
    def install(tree: Path, arch: str) -> None:
        found = packages(suffix, arch)
        if len(found) != 1:
            raise Failed(f"expected one {suffix} package for {arch}, found {len(found)}: make packages")
        done = subprocess.run([INSTALL_INTO, tree, found[0]], capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"{INSTALL_INTO} {tree} {found[0]}:\n{done.stdout}{done.stderr}")
    return install


REPOSITORY = Path(__file__).resolve().parents[2]
INSTALL_INTO = REPOSITORY / "image-build" / "packages" / "install-into"


def packages(suffix: str, arch: str) -> list[Path]:
    """The packages of one kind and architecture in target/dist."""
    names = (arch, DEBIAN[arch])
    return sorted(path for path in (REPOSITORY / "target" / "dist").glob(f"*.{suffix}")
                  if any(name in path.name for name in names))


INSTALLERS: dict[str, Installer] = {
    "bake": lambda tree, arch: None,
    "deb": package("deb"),
    "rpm": package("rpm"),
}


#: The architecture on which a tree with the package is booted. On the other one only the tree is
#: checked: the package installs the same service file, and the baked trees boot the binary of that
#: architecture.
BOOTED = {"deb": "x86_64", "rpm": "aarch64"}


@dataclass(frozen=True)
class Boot:
    """One tree to boot: its init, and how ecs-init is installed."""

    init: str
    installer: str = "bake"

    def is_booted(self, arch: str) -> bool:
        return BOOTED.get(self.installer, arch) == arch

    @property
    def name(self) -> str:
        return self.init if self.installer == "bake" else f"{self.init}@{self.installer}"


def boots() -> list[Boot]:
    """A baked tree of every init; the packages, which have systemd's unit, in systemd's tree."""
    return [*map(Boot, rootfs.inits.INITS), Boot("systemd", "deb"), Boot("systemd", "rpm")]
