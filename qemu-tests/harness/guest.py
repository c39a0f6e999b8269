"""The stages `x86_64` and `aarch64`: QEMU guests, restored from a snapshot for each case.

A guest is booted once until dockerd answers, and saved; a restore takes less than a second.
The snapshot is cached under a digest of all its inputs.
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

#: Timeout of a boot in seconds, on a busy machine.
BOOT = 300


def channel_of(machine: qemu.Machine) -> tuple[Channel, socket.socket]:
    connection = machine.connect("driver")
    stream = connection.makefile("rwb", buffering=0)
    return Channel(stream, stream, machine.gone), connection


@dataclass(frozen=True)
class Snapshot:
    """A guest saved with dockerd running. `fresh`: it was not in the cache."""

    guest: object
    state: Path
    daemon: int
    fresh: bool

    @classmethod
    def of(cls, guest) -> "Snapshot":
        """The guest's snapshot from the cache, or a new one."""
        place = guest.directory.parent.parent / "snapshots"
        fresh = False

        def boot(done: Path) -> None:
            with tempfile.TemporaryDirectory(dir=done.parent) as work:
                _boot_and_save(guest, Path(work), done)

        def make(done: Path) -> None:
            nonlocal fresh
            fresh = True
            # On a busy machine dockerd can miss the timeout of its containerd: one retry.
            try:
                boot(done)
            except HarnessError:
                boot(done)

        state = rootfs.cached.directory(place, f"{guest.arch}-{guest.variant}", _digest(guest), make)
        return cls(guest, state / "state", int((state / "dockerd.pid").read_text()), fresh)


def _digest(guest) -> str:
    """Of all inputs of a snapshot: the guest, QEMU and the steps before saving."""
    nowhere = Path("/")
    devices = qemu.Devices(nowhere, nowhere, nowhere, nowhere)
    parts = [guest.digest, qemu.version(guest.arch), qemu.command(guest.arch, devices, nowhere, None),
             docker.FLAGS[guest.variant], SIZE, inspect.getsource(_boot_and_save)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _devices(guest, job: Path) -> qemu.Devices:
    return qemu.Devices(guest.kernel, guest.initramfs, guest.disk, job)


def _boot_and_save(guest, work: Path, done: Path) -> None:
    """Boots in `work`; the snapshot goes to `done`."""
    blank = work / "job"
    with blank.open("wb") as file:
        file.truncate(SIZE)
    machine = qemu.Machine(qemu.command(guest.arch, _devices(guest, blank), work, None), work)
    try:
        channel, connection = channel_of(machine)
        host = Host(channel, guest.arch, guest.variant)
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
        # Reads runc into the page cache: the first container is slow without.
        daemon.call("GET", "/info")
        _clock_is_right(host)
        connection.close()
        machine.save(done / "state")
        (done / "dockerd.pid").write_text(str(daemon.daemon.pid))
    finally:
        machine.end()


def _clock_is_right(host: Host) -> None:
    """On a busy machine the emulator can calibrate the guest's clock wrongly. In a snapshot that
    would change every timeout of ecs-init and dockerd in every case."""
    def uptime() -> float:
        return float(host.text("/proc/uptime").split()[0])
    before, began = uptime(), time.monotonic()
    time.sleep(5)
    rate = (uptime() - before) / (time.monotonic() - began)
    if not 0.8 < rate < 1.25:
        raise HarnessError(f"the guest's clock runs at {rate:.2f} times this machine's")


class MachineHost(Host):
    """In a QEMU machine, removed at the end of its `with`; `log` gets the console and QEMU's output."""

    def __exit__(self, *_exception) -> None:
        if hasattr(self, "connection"):
            self.connection.close()
        self.machine.end()
        for name in ("console.log", "qemu.log"):
            shutil.copyfile(Path(self.work.name) / name, self.log / name)
        self.work.cleanup()


class GuestHost(MachineHost):
    """A restored guest, removed at the end of its `with`."""

    def __init__(self, snapshot: Snapshot, job: Path, log: Path):
        self.snapshot, self.job, self.log = snapshot, job, log
        super().__init__(None, snapshot.guest.arch, snapshot.guest.variant)

    def __enter__(self) -> "GuestHost":
        # Sockets need a short path, so that this is not the log directory.
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
            # The clock continues from the moment of saving.
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
    """A port on loopback, which no other program uses in this network namespace."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
