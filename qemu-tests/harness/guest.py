"""The stages `x86_64` and `aarch64`: QEMU guests, every case from a snapshot.

A guest is booted once, up to a dockerd that answers, and saved; each case
restores that in a fraction of a second. The snapshot is kept for as long as
nothing that went into it changes.
"""

import hashlib
import inspect
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import docker, qemu, rootfs
from .channel import Channel
from .docker import Docker
from .errors import HarnessError
from .host import Host, Process
from .http import Answer
from .job import SIZE
from .namespaces import ADDRESS, HARNESS, PREFIX, fetch

#: Seconds for a boot, on a machine that does more than this.
BOOT = 300


def channel_of(machine: qemu.Machine) -> tuple[Channel, socket.socket]:
    connection = machine.connect("driver")
    stream = connection.makefile("rwb", buffering=0)
    return Channel(stream, stream, machine.gone), connection


@dataclass(frozen=True)
class Snapshot:
    """A guest saved with dockerd up. `fresh`: it was made just now."""

    guest: object
    state: Path
    daemon: int
    fresh: bool

    @classmethod
    def of(cls, guest) -> "Snapshot":
        """The guest's snapshot from the cache, or else a new one."""
        place = guest.directory.parent.parent / "snapshots"
        fresh = False

        def boot(done: Path) -> None:
            with tempfile.TemporaryDirectory(dir=done.parent) as work:
                _boot_and_save(guest, Path(work), done)

        def make(done: Path) -> None:
            nonlocal fresh
            fresh = True
            # On a busy machine dockerd can lose patience with its containerd: once more.
            try:
                boot(done)
            except HarnessError:
                boot(done)

        state = rootfs.cached.directory(place, f"{guest.arch}-{guest.sort}", _digest(guest), make)
        return cls(guest, state / "state", int((state / "dockerd.pid").read_text()), fresh)


def _digest(guest) -> str:
    """Of all that a snapshot depends on: the guest, QEMU and what is done before saving."""
    nowhere = Path("/")
    devices = qemu.Devices(nowhere, nowhere, nowhere, nowhere)
    parts = [guest.digest, qemu.version(guest.arch), qemu.command(guest.arch, devices, nowhere, None),
             docker.FLAGS[guest.sort], SIZE, inspect.getsource(_boot_and_save)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _devices(guest, job: Path) -> qemu.Devices:
    return qemu.Devices(guest.kernel, guest.initramfs, guest.disk, job)


def _boot_and_save(guest, work: Path, done: Path) -> None:
    """Boots in `work`; what is to stay goes to `done`."""
    blank = work / "job"
    with blank.open("wb") as file:
        file.truncate(SIZE)
    machine = qemu.Machine(qemu.command(guest.arch, _devices(guest, blank), work, None), work)
    try:
        channel, connection = channel_of(machine)
        host = Host(channel, guest.arch, guest.sort)
        try:
            channel.request("hello", wait=BOOT)
        except HarnessError as error:
            console = (work / "console.log").read_text(errors="replace")[-3000:]
            raise HarnessError(f"the {guest.arch} guest did not boot: {error}\n{console}") from error
        channel.request("clock", seconds=int(time.time()))
        channel.request("configure", name="eth0", address=ADDRESS, prefix=PREFIX, gateway=HARNESS)
        host.write("/proc/sys/net/ipv4/ip_forward", "1")
        daemon = Docker(host)
        daemon.start()
        # The first container is slow where nothing of runc has been read yet.
        daemon.call("GET", "/info")
        _clock_is_right(host)
        connection.close()
        machine.save(done / "state")
        (done / "dockerd.pid").write_text(str(daemon.daemon.pid))
    finally:
        machine.end()


def _clock_is_right(host: Host) -> None:
    """An emulator that is short of time can calibrate the guest's clock wrongly; saved, it would
    stay wrong for every case, and with it all limits that ecs-init and dockerd have."""
    def uptime() -> float:
        return float(host.text("/proc/uptime").split()[0])
    before, began = uptime(), time.monotonic()
    time.sleep(5)
    rate = (uptime() - before) / (time.monotonic() - began)
    if not 0.8 < rate < 1.25:
        raise HarnessError(f"the guest's clock runs {rate:.2f} times as fast as this machine's")


class MachineHost(Host):
    """In a machine of QEMU, gone at the end of its `with`; `log` gets the console and QEMU's words."""

    def __exit__(self, *_exception) -> None:
        if hasattr(self, "connection"):
            self.connection.close()
        self.machine.end()
        for name in ("console.log", "qemu.log"):
            shutil.copyfile(Path(self.work.name) / name, self.log / name)
        self.work.cleanup()


class GuestHost(MachineHost):
    """A restored guest, gone at the end of its `with`."""

    def __init__(self, snapshot: Snapshot, job: Path, log: Path):
        self.snapshot, self.job, self.log = snapshot, job, log
        super().__init__(None, snapshot.guest.arch, snapshot.guest.sort)

    def __enter__(self) -> "GuestHost":
        # Sockets need a short path, logs a lasting place.
        self.work = tempfile.TemporaryDirectory(prefix="ecs-init-vm-")
        work = Path(self.work.name)
        self.port = _free_port()
        argv = qemu.command(self.arch, _devices(self.snapshot.guest, self.job), work, self.port)
        try:
            self.machine = qemu.Machine([*argv, "-incoming", "defer"], work)
        except BaseException:
            self.work.cleanup()
            raise
        try:
            self.machine.restore(self.snapshot.state)
            self.channel, self.connection = channel_of(self.machine)
            self.channel.request("hello")
            # It went on from the moment of saving.
            self.channel.request("clock", seconds=int(time.time()))
            self.channel.request("job", serial="job", to="/job")
            daemon = Process(self, ["dockerd"], self.snapshot.daemon, docker.LOG, docker.LOG)
            self.docker = Docker(self, daemon)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def outside(self, path: str, timeout: float = 8) -> Answer | None:
        return fetch("127.0.0.1", self.port, path, timeout)


def _free_port() -> int:
    """A port on the harness's own loopback; nobody else takes ports there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
