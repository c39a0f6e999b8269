"""Builds root file systems and initramfs archives reproducibly: same input, same bytes."""

import os
import subprocess
from pathlib import Path

UUID = "00000000-0000-0000-0000-000000000001"


def ext4(tree: Path, to: Path, free: int = 32, journal: bool = False) -> None:
    """Makes an ext4 image of a directory with about `free` megabytes of free space, without
    mounting it. An image that is booted more than once needs a journal."""
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file()
               and not path.is_symlink())
    megabytes = (size >> 20) * 11 // 10 + free
    env = os.environ | {"SOURCE_DATE_EPOCH": "0", "E2FSPROGS_FAKE_TIME": "1",
                        "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    to.unlink(missing_ok=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O",
                    "has_journal" if journal else "^has_journal", "-d", tree, "-U", UUID,
                    "-E", f"hash_seed={UUID},lazy_itable_init=1,root_owner=0:0",
                    to, f"{megabytes}M"], env=env, check=True, stdout=subprocess.DEVNULL)


def initramfs(driver: Path, modules: list[tuple[str, bytes]], to: Path) -> None:
    """Makes a cpio archive (newc, cpio(5)) with the driver as /init, and the kernel modules in
    /modules, named in load order."""
    entries = [("init", 0o100755, driver.read_bytes()), ("modules", 0o040755, b"")]
    entries += [(f"modules/{number:03}-{name}.ko", 0o100644, data)
                for number, (name, data) in enumerate(modules)]
    # The kernel opens /dev/console as stdin, stdout and stderr of process 1.
    with to.open("wb") as out:
        out.write(_entry(1, "dev", 0o040755, b""))
        out.write(_entry(2, "dev/console", 0o020600, b"", device=(5, 1)))
        for inode, (name, mode, data) in enumerate(entries, start=3):
            out.write(_entry(inode, name, mode, data))
        out.write(_entry(0, "TRAILER!!!", 0, b""))


def _entry(inode: int, name: str, mode: int, data: bytes, device=(0, 0)) -> bytes:
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
