"""A QEMU machine that boots a root with its own init, and reboots.

Without snapshot and network interface. The driver is not process 1 here but an observer beside
the tree's init; each boot has a new one.
"""

import re
import tempfile
import time
from pathlib import Path

from . import qemu
from .docker import Docker
from .errors import Failed, HarnessError
from .guest import MachineHost, channel_of
from .host import TIMEOUT

#: The kernel's last message.
PANIC = re.compile(r"Kernel panic")

BOOT_ID = "/proc/sys/kernel/random/boot_id"


class BootHost(MachineHost):
    """Booted by `with`, removed at its end. `log` gets the console and QEMU's output."""

    def __init__(self, arch: str, kernel: Path, initramfs: Path, image: Path, log: Path):
        super().__init__(None, arch, "full")
        self.kernel, self.initramfs, self.image, self.log = kernel, initramfs, image, log
        self.docker = Docker(self)
        #: Start of this boot by this machine's clock; a guest's clock can be wrong if the emulator
        #: calibrated it on a busy machine.
        self.started = 0.0

    def __enter__(self) -> "BootHost":
        self.work = tempfile.TemporaryDirectory(prefix="ecs-init-vm-")
        work = Path(self.work.name)
        argv = qemu.boot_command(self.arch, self.kernel, self.initramfs, self.image, work)
        try:
            self.started = time.monotonic()
            self.machine = qemu.Machine(argv, work)
        except BaseException:
            self.work.cleanup()
            raise
        try:
            self._connect()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _connect(self) -> None:
        """Connects to the observer of this boot."""
        self.channel, self.connection = channel_of(self.machine)
        self.channel.gone = self.gone
        try:
            self.channel.request("hello", wait=TIMEOUT)
        except HarnessError as error:
            raise HarnessError(f"the {self.arch} machine did not boot: {error}\n"
                               f"{self.console()[-3000:]}") from error
        # See Scene.
        self.write("/proc/sys/net/ipv4/ip_local_reserved_ports", "51678-51679")

    def console(self) -> str:
        path = Path(self.work.name) / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def gone(self) -> str | None:
        """Why the machine has ended, None while it runs."""
        if ended := self.machine.gone():
            return ended
        if found := PANIC.search(self.console()):
            return f"kernel panic: {self.console()[found.start():][:2000]}"
        return None

    # Processes of the init: not the driver's children

    def processes(self) -> dict[int, dict]:
        """`{"exe": path, "argv": [word, …]}` of every user process, by PID."""
        return {int(pid): found for pid, found in self.channel.request("processes").items()}

    def signal(self, pid: int, signal: int) -> None:
        self.channel.request("signal", pid=pid, signal=signal)

    # Reboot

    def reboot(self, argv: list[str] | None, signal: int | None) -> None:
        """Reboots by a command or by a signal to process 1, and connects to the next boot's
        observer. A machine that does not reboot fails the case."""
        before = self.text(BOOT_ID)
        if argv:
            command = self.spawn(argv)
        else:
            command = None
            self.signal(1, signal)
        if not self.machine.event("RESET", TIMEOUT):
            output = f"\n{command.stderr()}" if command else ""
            raise Failed(f"no reboot within {TIMEOUT} s of {argv or f'signal {signal} to 1'}{output}\n"
                         f"{self.console()[-2000:]}")
        self.started = time.monotonic()
        self.connection.close()
        self._connect()
        if self.text(BOOT_ID) == before:
            raise HarnessError("the machine was reset but has the same boot ID")

    # Each request costs time of the emulated machine.
    pause = 0.2

    def alive(self, what: str) -> None:
        if gone := self.gone():
            raise HarnessError(f"{what}: {gone}")
