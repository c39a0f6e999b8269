"""From a tree with an init to an image that boots: by `ecs-init bake`, as a user would."""

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

#: The cluster that a baked tree's configuration names.
CLUSTER = "baked"

#: Debian's names, which bake takes as well as the kernel's.
DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}

TIMEOUT = 120


@dataclass(frozen=True)
class Baker:
    """ecs-init on this machine, and what it puts into trees of one architecture."""

    #: Runs here.
    program: Path
    #: Goes into the tree.
    binary: Path
    artifacts: Artifacts
    #: For the tar, its signature and the certificate.
    work: Path

    @property
    def arch(self) -> str:
        return self.artifacts.arch

    def run(self, *words: object) -> subprocess.CompletedProcess:
        """`ecs-init bake` with an empty environment."""
        argv = [self.program, "bake", *words]
        return subprocess.run(argv, env={}, capture_output=True, text=True, timeout=TIMEOUT)

    def bake(self, tree: Path, init: str) -> None:
        """All that an image needs, offline."""
        tar = self.work / f"agent-{self.arch}.tar"
        tar.write_bytes(self.artifacts.tar)
        Path(f"{tar}.asc").write_bytes(self.artifacts.signature)
        keyring = self.work / f"keyring-{self.arch}.asc"
        keyring.write_bytes(self.artifacts.world.trusted.certificate)
        # What is detected is what is tested; with no init there is nothing to detect.
        named = ["--init", "none"] if init == "none" else []
        foreign = ["--binary", self.binary] if self.arch != platform.machine() else []
        done = self.run("--root", tree, "--arch", DEBIAN[self.arch], "--agent-version", VERSION,
                        "--tar", tar, "--keyring", keyring,
                        "--config", f"ECS_CLUSTER={CLUSTER}", *named, *foreign)
        if done.returncode:
            raise Failed(f"bake ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    def check(self, tree: Path) -> None:
        """`bake --check`, which must have nothing to say against the tree."""
        done = self.run("--check", tree)
        if done.returncode:
            raise Failed(f"bake --check ended with {done.returncode} on a fresh tree:\n"
                         f"{done.stdout}{done.stderr}")


def image_id(archive: bytes) -> str:
    """The ID that Docker gives the image of an archive: its configuration's digest."""
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))
    return "sha256:" + manifest[0]["Config"].removesuffix(".json")


#: What is done to a tree before it is baked, by the form's name: a package is installed into it.
#: A function from the tree and its architecture; the forms that can be had are registered here.
Form = Callable[[Path, str], None]


def package(suffix: str) -> Form:
    """A package of `make packages`, installed into the tree."""
    def install(tree: Path, arch: str) -> None:
        found = packages(suffix, arch)
        if len(found) != 1:
            raise Failed(f"not one package of {arch} to install but {found or 'none'}: make packages")
        done = subprocess.run([INSTALL, tree, found[0]], capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"{INSTALL} {tree} {found[0]}:\n{done.stdout}{done.stderr}")
    return install


REPOSITORY = Path(__file__).resolve().parents[2]
INSTALL = REPOSITORY / "image-build" / "packages" / "install-into"


def packages(suffix: str, arch: str) -> list[Path]:
    """The packages of one kind and architecture that were made."""
    names = (arch, DEBIAN[arch])
    return sorted(path for path in (REPOSITORY / "target" / "dist").glob(f"*.{suffix}")
                  if any(name in path.name for name in names))


FORMS: dict[str, Form] = {
    "bake": lambda tree, arch: None,
    "deb": package("deb"),
    "rpm": package("rpm"),
}


@dataclass(frozen=True)
class Boot:
    """One tree to boot: which init, and how ecs-init came into it."""

    init: str
    form: str = "bake"

    @property
    def name(self) -> str:
        return self.init if self.form == "bake" else f"{self.init}@{self.form}"


def boots() -> list[Boot]:
    """Every init baked; the packages, which carry systemd's unit, where that is the init."""
    return [*map(Boot, rootfs.inits.INITS), Boot("systemd", "deb"), Boot("systemd", "rpm")]
