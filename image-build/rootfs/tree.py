"""Builds a guest's minimal root directory from files of Debian packages.

It copies only the programs listed here and the libraries they need, without a package database, and
runs no maintainer scripts. Two variants:

- `full`: dockerd and its helper programs, iptables-nft, iptables-legacy, nft and ip
- `bare`: dockerd and its helper programs only: no shell, no iptables
"""

import os
import shutil
import subprocess
from pathlib import Path

import elf
from archive import ArchiveError

#: Debian's name of an architecture, its library directory, and its loader.
ARCHITECTURES = {
    "x86_64": ("amd64", "x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2"),
    "aarch64": ("arm64", "aarch64-linux-gnu", "lib/ld-linux-aarch64.so.1"),
}

PACKAGES = ("docker.io", "iptables", "nftables", "iproute2", "tini")

ENGINE = ("sbin/dockerd", "sbin/docker-proxy", "bin/containerd",
          "bin/containerd-shim-runc-v2", "sbin/runc", "bin/tini-static")
FIREWALL = ("sbin/xtables-nft-multi", "sbin/xtables-legacy-multi", "sbin/nft", "bin/ip")

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n",
    "etc/group": "root:x:0:\ndocker:x:999:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/os-release": 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="a test\'s host"\n',
}


def unpack(debs: list[str], to: Path) -> None:
    """Unpacks packages into one directory, merged-/usr as in Debian 13."""
    to.mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (to / "usr" / name).mkdir(parents=True, exist_ok=True)
        (to / name).symlink_to(f"usr/{name}")
    for deb in debs:
        # dpkg-deb -x would replace a symlink by a directory.
        data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", to],
                       stdin=data.stdout, check=True)
        if data.wait():
            raise ArchiveError(f"{deb} cannot be unpacked")


class Tree:
    """A root directory under construction, and the directory its files are copied from."""

    def __init__(self, arch: str, source: Path, root: Path):
        self.debian, self.triplet, self.loader = ARCHITECTURES[arch]
        self.source, self.root = source, root
        for path in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "proc", "sys", "dev",
                     "run", "tmp", "var/lib/docker", "root", "opt", f"usr/lib/{self.triplet}"):
            (root / path).mkdir(parents=True, exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "var/run").symlink_to("../run")
        for path, text in FILES.items():
            (root / path).write_text(text)

    def program(self, path: str) -> None:
        """Copies a program below /usr, and the libraries it needs."""
        source = self.source / "usr" / path
        if not source.is_file():
            raise ArchiveError(f"/usr/{path} is in none of the packages {' '.join(PACKAGES)}")
        self._copy(source, self.root / "usr" / path)

    def _copy(self, source: Path, target: Path) -> None:
        if target.exists():
            return
        shutil.copyfile(source, target)
        target.chmod(0o755)
        interpreter, needed = elf.needs(source)
        if interpreter and not (self.root / self.loader).exists():
            self._copy((self.source / self.loader).resolve(), self.root / self.loader)
        for soname in needed:
            library = self.source / "usr/lib" / self.triplet / soname
            if soname == Path(self.loader).name:
                continue
            if not library.exists():
                raise ArchiveError(f"{soname}, needed by {source.name}, is in none of the packages")
            self._copy(library.resolve(), self.root / "usr/lib" / self.triplet / soname)

    def link(self, name: str, target: str) -> None:
        (self.root / name).symlink_to(target)


def build(arch: str, variant: str, source: Path, process1: Path, root: Path,
          at: str = "usr/sbin/driver") -> None:
    """Builds the tree of one variant from unpacked packages; `process1` is a static program."""
    tree = Tree(arch, source, root)
    for program in ENGINE:
        tree.program(program)
    tree.link("usr/bin/docker-init", "tini-static")
    shutil.copyfile(process1, root / at)
    (root / at).chmod(0o755)
    if variant == "full":
        for program in FIREWALL:
            tree.program(program)
        modules = Path("usr/lib") / tree.triplet / "xtables"
        shutil.copytree(source / modules, root / modules, symlinks=True)
        for family in ("iptables", "ip6tables"):
            for suffix in ("", "-save", "-restore"):
                tree.link(f"usr/sbin/{family}{suffix}", "xtables-nft-multi")
                tree.link(f"usr/sbin/{family}-nft{suffix}", "xtables-nft-multi")
                tree.link(f"usr/sbin/{family}-legacy{suffix}", "xtables-legacy-multi")
        for name in ("protocols", "services"):
            shutil.copyfile(source / "etc" / name, root / "etc" / name)
    _normalize(root)


def _normalize(root: Path) -> None:
    """Sets fixed times and modes, so that the result is reproducible."""
    for directory, names, files in os.walk(root, topdown=False):
        for name in [*names, *files]:
            path = Path(directory, name)
            if not path.is_symlink() and path.is_dir():
                path.chmod(0o755)
            os.utime(path, (0, 0), follow_symlinks=False)
    root.chmod(0o755)
    (root / "root").chmod(0o700)
    (root / "tmp").chmod(0o1777)
    os.utime(root, (0, 0))
