"""The stage `ns`: a host in namespaces of this machine, the fast stage.

Its root is the x86_64 guest's, its kernel this machine's. The addresses are those of a QEMU
guest: the host is 10.0.2.15, the harness 10.0.2.2.
"""

import ctypes
import http.client
import os
import platform
import subprocess
import tempfile
from pathlib import Path

from .channel import Channel
from .docker import Docker
from .errors import HarnessError
from .host import Host
from .http import Answer

ADDRESS, HARNESS, PREFIX = "10.0.2.15", "10.0.2.2", 24
INTROSPECTION = 51678

#: The harness's end of the veth pair.
VETH = "to-host"

#: linux/sched.h
CLONE_NEWNET = 0x40000000


class NamespaceHost(Host):
    """Created by `with`, removed with all its processes at its end."""

    def __init__(self, root: Path, driver: Path, job: Path, variant: str, log: Path,
                 settings: dict | None = None):
        """`settings` are dockerd's."""
        self.root, self.driver, self.job, self.log = root, driver, job, log
        self.settings = settings
        super().__init__(None, platform.machine(), variant)

    def __enter__(self) -> "NamespaceHost":
        self.work = tempfile.TemporaryDirectory(prefix="ecs-init-ns-")
        self.errors = self.log.open("wb")
        self.process = subprocess.Popen(
            ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child",
             "--propagation", "private", self.driver, "namespace", self.root, self.work.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0)
        try:
            self.channel = Channel(self.process.stdout, self.process.stdin, self._gone)
            self.channel.request("hello")
            self._connect()
            self.channel.request("configure", name="eth0", address=ADDRESS, prefix=PREFIX,
                                 gateway=HARNESS)
            self._deliver()
            self.write("/proc/sys/net/ipv4/ip_forward", "1")
            self.docker = Docker(self, settings=self.settings)
            self.docker.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_exception) -> None:
        self.process.stdin.close()
        # The driver exits at the end of its channel. It is process 1: the kernel then kills all others.
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        # The kernel removes the namespace, and the veth pair in it, with a delay.
        subprocess.run(["ip", "link", "delete", VETH], capture_output=True)
        self.errors.close()
        self.work.cleanup()

    def _gone(self) -> str | None:
        code = self.process.poll()
        if code is None:
            return None
        log = self.log.read_text(errors="replace").strip()
        return f"the driver exited with {code}: {log}"

    def _connect(self) -> None:
        """Connects the harness's network namespace and the host's by a veth pair."""
        for argv in (
            ["link", "add", VETH, "type", "veth", "peer", "name", "eth0", "netns", self._pid()],
            ["address", "add", f"{HARNESS}/{PREFIX}", "dev", VETH],
            ["link", "set", VETH, "up"],
        ):
            done = subprocess.run(["ip", *argv], capture_output=True, text=True)
            if done.returncode:
                raise HarnessError(f"ip {' '.join(argv)}: {done.stderr.strip()}")

    def _deliver(self) -> None:
        """Unpacks the job's files where a guest's driver would."""
        root = Path(f"/proc/{self._pid()}/root")
        subprocess.run(["tar", "-x", "-f", self.job, "--one-top-level=job", "-C", root], check=True)

    def _pid(self) -> str:
        """The driver's PID: the only child of `unshare`."""
        pid = self.process.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]

    def outside(self, path: str, timeout: float = 2) -> Answer | None:
        return fetch(ADDRESS, INTROSPECTION, path, timeout)


def fetch(address: str, port: int, path: str, timeout: float) -> Answer | None:
    """GET from the harness's network; None without an answer."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def enter_own_network() -> None:
    """Moves the calling thread, and what it starts from then on, to a new network namespace with
    loopback only: nothing can leave this machine."""
    # os.unshare came with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        error = os.strerror(ctypes.get_errno())
        raise HarnessError(f"cannot create a network namespace: {error}; run as root")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
