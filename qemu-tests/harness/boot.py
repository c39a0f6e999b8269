"""A whole machine in QEMU that boots a root with an init of its own, and reboots.

No snapshot, no network interface. The driver is not process 1 here but an
observer beside the tree's init; it is another one after every reboot.
"""

import re
import tempfile
import time
from pathlib import Path

from . import qemu
from .docker import Docker
from .errors import Failed, HarnessError
from .guest import MachineHost, channel_of
from .host import PATIENCE

#: What the kernel says when it cannot go on.
PANIC = re.compile(r"Kernel panic")

BOOT_ID = "/proc/sys/kernel/random/boot_id"


class BootHost(MachineHost):
    """Booted by `with`, gone at its end. `log` gets the console and QEMU's words."""

    def __init__(self, arch: str, kernel: Path, initramfs: Path, image: Path, log: Path):
        super().__init__(None, arch, "full")
        self.kernel, self.initramfs, self.image, self.log = kernel, initramfs, image, log
        self.docker = Docker(self)
        #: When this boot began, by this machine's clock: the guest's own can be wrong by far
        #: where an emulator that is short of time has calibrated it.
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
            self._meet()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _meet(self) -> None:
        """Waits for the observer of this boot."""
        self.channel, self.connection = channel_of(self.machine)
        self.channel.alive = self.gone
        try:
            self.channel.request("hello", wait=PATIENCE)
        except HarnessError as error:
            raise HarnessError(f"the {self.arch} machine did not boot: {error}\n"
                               f"{self.console()[-3000:]}") from error
        # See Scene: a probe must not be given the agent's port for its own end.
        self.write("/proc/sys/net/ipv4/ip_local_reserved_ports", "51678-51679")

    def console(self) -> str:
        path = Path(self.work.name) / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def gone(self) -> str | None:
        """Why no answer will come any more, or None."""
        if ended := self.machine.gone():
            return ended
        if found := PANIC.search(self.console()):
            return f"the machine stands still: {self.console()[found.start():][:2000]}"
        return None

    # Processes of the init, which are not the driver's children

    def processes(self) -> dict[int, dict]:
        """`{"exe": path, "argv": [word, …]}` of every process but the kernel's."""
        return {int(pid): found for pid, found in self.channel.request("processes").items()}

    def signal(self, pid: int, signal: int) -> None:
        self.channel.request("signal", pid=pid, signal=signal)

    # From one boot to the next

    def reboot(self, argv: list[str] | None, signal: int | None) -> None:
        """Has the machine rebooted, by a command or by a signal to process 1, and meets the
        next boot's observer. A machine that does not reboot fails the case."""
        before = self.text(BOOT_ID)
        if argv:
            asked = self.spawn(argv)
        else:
            asked = None
            self.signal(1, signal)
        if not self.machine.event("RESET", PATIENCE):
            said = f"\n{asked.stderr()}" if asked else ""
            raise Failed(f"no reboot within {PATIENCE} s of {argv or f'signal {signal} to 1'}{said}\n"
                         f"{self.console()[-2000:]}")
        self.started = time.monotonic()
        self.connection.close()
        self._meet()
        if self.text(BOOT_ID) == before:
            raise HarnessError("the machine was reset, and yet it is the same boot")

    # An observer's word costs the machine time.
    pause = 0.2

    def alive(self, what: str) -> None:
        if gone := self.gone():
            raise HarnessError(f"{what}: {gone}")
