"""QEMU: its version, its command lines and its monitor."""

import contextlib
import json
import math
import re
import select
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import rootfs
from .errors import HarnessError

#: Debian 12's QEMU 7.2 corrupts x86 guests under TCG (dockerd's cmpxchg16b is enough).
OLDEST = (9, 0)

PACKAGES = {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm"}

#: `-cpu max` is ten times slower for aarch64.
MACHINES = {
    "x86_64": ["-M", "q35", "-cpu", "max"],
    "aarch64": ["-M", "virt", "-cpu", "cortex-a72"],
}
CONSOLES = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}

MEMORY = "768"

#: MiB for a guest that has its init and logs in memory too.
BOOT_MEMORY = "1024"


def program(arch: str) -> str:
    return f"qemu-system-{arch}"


def version(arch: str) -> tuple[int, ...] | None:
    """QEMU's version, None if it is not installed."""
    if not shutil.which(program(arch)):
        return None
    output = subprocess.run([program(arch), "--version"], capture_output=True, text=True).stdout
    match = re.search(r"version (\d+)\.(\d+)\.(\d+)", output)
    return tuple(map(int, match.groups())) if match else None


def provide(archs: list[str]) -> None:
    """Installs what is missing or too old, from the distribution or its backports."""
    missing = [a for a in archs if (version(a) or (0,)) < OLDEST]
    if not missing:
        return
    packages = [PACKAGES[a] for a in missing]
    try:
        rootfs.archive.install_on_machine(packages)
    except rootfs.archive.ArchiveError as error:
        raise HarnessError(f"QEMU {OLDEST[0]} or later is needed "
                           f"({' '.join(packages)}): {error}") from error
    for arch in missing:
        if (found := version(arch) or (0,)) < OLDEST:
            raise HarnessError(f"{program(arch)} is {'.'.join(map(str, found))} even after "
                               f"installing {PACKAGES[arch]}; {OLDEST[0]} or later is needed")


@dataclass(frozen=True)
class Devices:
    """The files of a guest's devices."""

    kernel: Path
    initramfs: Path
    root: Path
    job: Path


def _kernel_line(arch: str, words: str) -> str:
    """Without the timer check, which panics x86 guests on a busy machine."""
    return f"console={CONSOLES[arch]} quiet no_timer_check {words}"


def command(arch: str, devices: Devices, directory: Path, port: int | None) -> list[str]:
    """QEMU's command line. `directory` gets the sockets and the console's log;
    `port` on loopback is forwarded to the guest's introspection port."""
    forward = f",hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:51678" if port else ""
    return [
        *_machine(arch, MEMORY, directory), "-no-reboot",
        "-kernel", str(devices.kernel), "-initrd", str(devices.initramfs),
        "-append", _kernel_line(arch, "panic=-1"),
        "-drive", f"if=none,id=root,file={devices.root},format=raw,readonly=on",
        "-device", "virtio-blk-pci,drive=root,serial=root",
        "-drive", f"if=none,id=job,file={devices.job},format=raw,readonly=on",
        "-device", "virtio-blk-pci,drive=job,serial=job",
        "-device", "virtio-rng-pci",
        "-netdev", f"user,id=net,ipv6=off{forward}",
        "-device", "virtio-net-pci,netdev=net,romfile=",
        *_driver(directory),
    ]


def boot_command(arch: str, kernel: Path, initramfs: Path, root: Path, directory: Path) -> list[str]:
    """QEMU's command line for a root with its own init: the image is writable, a reboot resets the
    machine, no network interface exists, and a panic halts."""
    return [
        *_machine(arch, BOOT_MEMORY, directory),
        "-kernel", str(kernel), "-initrd", str(initramfs),
        "-append", _kernel_line(arch, "panic=0 observe"),
        # The image is temporary and need not survive a crash of this machine.
        "-drive", f"if=none,id=root,file={root},format=raw,cache=unsafe",
        "-device", "virtio-blk-pci,drive=root,serial=root",
        "-device", "virtio-rng-pci",
        *_driver(directory),
    ]


def _machine(arch: str, memory: str, directory: Path) -> list[str]:
    return [
        # The guest ends with the thread that started it.
        "setpriv", "--pdeathsig", "KILL", program(arch), *MACHINES[arch], "-accel", "tcg", "-smp", "1",
        "-m", memory, "-nodefaults", "-no-user-config", "-display", "none",
        "-chardev", f"file,id=console,path={directory}/console.log",
        "-serial", "chardev:console",
        "-qmp", f"unix:{directory}/qmp,server=on,wait=off",
    ]


def _driver(directory: Path) -> list[str]:
    return [
        "-device", "virtio-serial-pci",
        "-chardev", f"socket,id=driver,path={directory}/driver,server=on,wait=off",
        "-device", "virtserialport,chardev=driver,name=ecs-init.driver",
    ]


class Machine:
    """A running QEMU and its monitor (QMP)."""

    def __init__(self, argv: list[str], directory: Path):
        self.directory = directory
        self.log = directory / "qemu.log"
        with self.log.open("wb") as log:
            log.write((" ".join(argv) + "\n").encode())
            log.flush()
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.monitor = self.connect("qmp")
            self._pending, self._events = b"", []
            self._read()
            self.execute("qmp_capabilities")
        except BaseException:
            self.end()
            raise

    def connect(self, name: str) -> socket.socket:
        """A connection to one of QEMU's sockets, waited for."""
        deadline = time.monotonic() + 120
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.directory / name))
                return connection
            except OSError as error:
                connection.close()
                if gone := self.gone():
                    raise HarnessError(gone) from error
                if time.monotonic() > deadline:
                    raise HarnessError(f"QEMU's socket {name}: {error}") from error
                time.sleep(0.02)

    def gone(self) -> str | None:
        """Why QEMU has ended, None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        console = self.directory / "console.log"
        output = console.read_text(errors="replace")[-2000:] if console.exists() else ""
        return (f"QEMU ended with {code}: {self.log.read_text(errors='replace')[-2000:]}\n"
                f"console: {output}")

    def _read(self, deadline: float = math.inf) -> dict | None:
        """The monitor's next message; None at the deadline."""
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.monitor], [], [],
                                        None if left == math.inf else max(left, 0))
            if not ready:
                return None
            try:
                data = self.monitor.recv(1 << 16)
            except OSError:
                # Closed with a request unread.
                data = b""
            if not data:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(60)
                raise HarnessError(self.gone() or "QEMU closed its monitor")
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        message = json.loads(line)
        if "event" in message:
            self._events.append(message["event"])
        return message

    def event(self, name: str, timeout: float) -> bool:
        """Waits for an event of this name, counting those not yet waited for."""
        deadline = time.monotonic() + timeout
        while name not in self._events:
            if self._read(deadline) is None:
                return False
        self._events.remove(name)
        return True

    def execute(self, what: str, **arguments):
        message = {"execute": what, "arguments": arguments}
        try:
            self.monitor.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise HarnessError(self.gone() or f"QEMU's monitor: {error}") from error
        while True:
            answer = self._read()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise HarnessError(f"QEMU, {what}: {answer['error']['desc']}")

    def mapped(self) -> None:
        """Saves and restores by page into a sparse file."""
        self.execute("migrate-set-capabilities",
                     capabilities=[{"capability": "mapped-ram", "state": True}])

    def save(self, to: Path) -> None:
        """Stops the guest and writes its memory and devices to a file."""
        self.execute("stop")
        self.mapped()
        # The default bandwidth is that of a network.
        self.execute("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.execute("migrate", uri=f"file:{to}")
        self._migrated("completed")

    def restore(self, saved: Path) -> None:
        """Restores a state that another QEMU saved; needs `-incoming defer`."""
        self.mapped()
        self.execute("migrate-incoming", uri=f"file:{saved}")
        self._migrated("completed")
        self.execute("cont")

    def _migrated(self, wanted: str) -> None:
        deadline = time.monotonic() + 300
        while (status := self.execute("query-migrate")).get("status") != wanted:
            if status.get("status") == "failed" or time.monotonic() > deadline:
                raise HarnessError(f"QEMU could not save or restore: "
                                   f"{status.get('error-desc', status.get('status'))}")
            time.sleep(0.02)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if monitor := getattr(self, "monitor", None):
            monitor.close()
