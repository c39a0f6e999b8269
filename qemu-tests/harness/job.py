"""The files that a host gets: the binary under test, the tests' keys and the task image.

One tar, attached to a guest as a disk. Its size is fixed, because a snapshot can be restored only
with disks of the same size.
"""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

#: Bytes of the sparse file.
SIZE = 64 << 20

#: Where the files are in the host.
BINARY = "/job/ecs-init"
KEYRING = "/job/keyring.asc"
AUTHORITY = "/job/ca.pem"
TASK = "/job/task.tar"


@dataclass(frozen=True)
class Job:
    """The files' contents."""

    binary: bytes
    keyring: bytes
    authority: bytes
    task: bytes

    def write(self, to: Path) -> Path:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path, data, mode in (
                (BINARY, self.binary, 0o755), (KEYRING, self.keyring, 0o644),
                (AUTHORITY, self.authority, 0o644), (TASK, self.task, 0o644),
            ):
                entry = tarfile.TarInfo(Path(path).name)
                entry.size, entry.mode = len(data), mode
                archive.addfile(entry, io.BytesIO(data))
        with to.open("wb") as file:
            file.write(out.getvalue())
            file.truncate(SIZE)
        return to
