"""Builds what a guest boots from, and caches it by a digest of its inputs.

`python3 guest.py ARCH VARIANT DRIVER` builds it and prints its path.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import archive  # noqa: E402
import cached  # noqa: E402
import engines  # noqa: E402
import image  # noqa: E402
import kernel  # noqa: E402
import tree  # noqa: E402


@dataclass(frozen=True)
class Guest:
    """The guest of one architecture and variant: kernel, initramfs, root image, root directory."""

    arch: str
    variant: str
    digest: str
    directory: Path

    @property
    def kernel(self) -> Path:
        return self.directory / "kernel"

    @property
    def initramfs(self) -> Path:
        return self.directory / "initramfs"

    @property
    def disk(self) -> Path:
        return self.directory / "root.ext4"

    @property
    def root(self) -> Path:
        return self.directory / "root"


def _digest(taken: dict, variant: str, driver: Path) -> str:
    state = hashlib.sha256()
    state.update(json.dumps([taken["sha256"], variant], sort_keys=True).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        state.update(path.read_bytes())
    state.update(driver.read_bytes())
    return state.hexdigest()[:16]


def build(arch: str, variant: str, driver: Path) -> Guest:
    """The guest, fetched and built if it is not in the cache."""
    if variant not in ("full", "bare"):
        raise ValueError(f"unknown variant {variant!r}: full or bare")
    debian = tree.ARCHITECTURES[arch][0]
    taken = archive.fetch(debian, f"linux-image-cloud-{debian}", tree.PACKAGES)
    digest = _digest(taken, variant, driver)

    def make(done: Path) -> None:
        with tempfile.TemporaryDirectory(dir=done.parent) as temporary:
            work = Path(temporary)
            tree.unpack(taken["packages"], work / "packages")
            tree.build(arch, variant, work / "packages", driver, done / "root")
            image.ext4(done / "root", done / "root.ext4")
            shutil.copyfile(kernel.unpack(taken["kernel"], work / "kernel"), done / "kernel")
            image.initramfs(driver, kernel.modules(work / "kernel"), done / "initramfs")
            (done / "packages.json").write_text(json.dumps(taken, indent=1) + "\n")

    place = archive.cache_root() / "guests"
    return Guest(arch, variant, digest, cached.directory(place, f"{arch}-{variant}", digest, make))


def root(engine: engines.Engine, driver: Path) -> Path:
    """A full x86_64 root directory for namespaces, with this Engine and its suite's C library."""
    debian = tree.ARCHITECTURES["x86_64"][0]
    taken = archive.fetch(debian, None, tree.PACKAGES, engine.suites)
    digest = _digest(taken, "full", driver)

    def make(done: Path) -> None:
        with tempfile.TemporaryDirectory(dir=done.parent) as temporary:
            packages = Path(temporary) / "packages"
            tree.unpack(taken["packages"], packages)
            tree.build("x86_64", "full", packages, driver, done / "root")
            (done / "packages.json").write_text(json.dumps(taken, indent=1) + "\n")

    name = f"engine-{engine.name.removesuffix('+store')}"
    return cached.directory(archive.cache_root() / "guests", name, digest, make) / "root"


if __name__ == "__main__":
    print(build(sys.argv[1], sys.argv[2], Path(sys.argv[3])).directory)
