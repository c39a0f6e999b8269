"""A host for cases, the same on every stage: processes, files and connections."""

import http.client
import itertools
import re
import time
from dataclasses import dataclass

from .channel import Channel, RemoteError, pack, unpack
from .errors import Failed
from .http import Answer, parse, request

#: Environments: ecs-init's PATH names no directory, as it must not run any program.
NOWHERE = {"PATH": "/nonexistent"}
TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

SIGTERM, SIGKILL = 15, 9

#: Exceptions of a lookup in a host that does not have what the case assumes.
UNMET = (RemoteError, http.client.HTTPException, LookupError, ValueError, TypeError, AttributeError)

#: Timeout in seconds for everything that is waited for; many times what a busy machine needs.
TIMEOUT = 300


@dataclass(frozen=True)
class Result:
    """The result of a command. After a fatal signal `code` is None and `signal` set."""

    argv: list[str]
    code: int | None
    signal: int | None
    stdout: str
    stderr: str

    def logged(self, pattern: str, level: str | None = None) -> list[str]:
        """The lines of its log that match a pattern, of one level if it is given."""
        return lines_of(self.stderr, pattern, level)

    def __str__(self) -> str:
        how = f"signal {self.signal}" if self.code is None else f"exit {self.code}"
        return f"{' '.join(self.argv)}: {how}\n{self.stdout}{self.stderr}".rstrip()


def lines_of(log: str, pattern: str, level: str | None) -> list[str]:
    """The lines of a logfmt log that match a regular expression, of one level if it is given."""
    return [line for line in log.splitlines() if re.search(pattern, line)
            and (level is None or f"level={level}" in line)]


class Process:
    """A command that runs in the host."""

    def __init__(self, host: "Host", argv: list[str], pid: int, out: str, err: str):
        self.host, self.argv, self.pid, self.out, self.err = host, argv, pid, out, err
        self._ended = None

    def poll(self, timeout: float = 0) -> dict | None:
        if self._ended is None:
            self._ended = self.host.channel.request(
                "wait", pid=self.pid, timeout_ms=int(timeout * 1000), wait=timeout + 60)
        return self._ended

    @property
    def running(self) -> bool:
        return self.poll() is None

    def kill(self, signal: int = SIGTERM) -> None:
        self.host.channel.request("kill", pid=self.pid, signal=signal)

    def stderr(self) -> str:
        return self.host.text(self.err)

    def logged(self, pattern: str, level: str | None = None) -> list[str]:
        """The lines of its log so far that match a pattern, of one level if it is given."""
        return lines_of(self.stderr(), pattern, level)

    def wait(self) -> Result:
        """The result; a command that does not end within TIMEOUT fails the case."""
        ended = self.poll(TIMEOUT)
        if ended is None:
            raise Failed(f"{' '.join(self.argv)} still ran after {TIMEOUT} s:\n{self.stderr()}")
        return Result(self.argv, ended.get("code"), ended.get("signal"),
                      self.host.text(self.out), self.host.text(self.err))


class Host:
    """Processes, files and connections in a host, over the driver's channel."""

    def __init__(self, channel: Channel, arch: str, variant: str):
        self.channel, self.arch, self.variant = channel, arch, variant
        self._numbers = itertools.count(1)

    # Processes

    def spawn(self, argv: list[str], env: dict[str, str] | None = None,
              log: str | None = None) -> Process:
        """Starts a command. Its output goes to two new files, or both streams to `log`."""
        base = f"/run/output/{next(self._numbers)}"
        self.channel.request("mkdir", path="/run/output")
        out, err = (log, log) if log else (f"{base}.out", f"{base}.err")
        pid = self.channel.request("spawn", argv=argv, env=env if env is not None else TOOLS,
                                   stdout=out, stderr=err)
        return Process(self, argv, pid, out, err)

    def run(self, argv: list[str], env: dict[str, str] | None = None) -> Result:
        return self.spawn(argv, env).wait()

    def output(self, *argv: str) -> str:
        """The output of a tool in the host; its failure fails the case."""
        result = self.run(list(argv))
        if result.code != 0:
            raise Failed(str(result))
        return result.stdout

    # Files

    def read(self, path: str) -> bytes:
        data = b""
        while chunk := unpack(self.channel.request("read", path=path, offset=len(data))):
            data += chunk
            if path.startswith(("/proc/", "/sys/")):
                break
        return data

    def text(self, path: str) -> str:
        return self.read(path).decode(errors="replace")

    def write(self, path: str, data: bytes | str, mode: int | None = None) -> None:
        data = data.encode() if isinstance(data, str) else data
        extra = {} if mode is None else {"mode": mode}
        self.channel.request("write", path=path, data=pack(data), **extra)

    def exists(self, path: str) -> bool:
        return self.stat(path) is not None

    def stat(self, path: str) -> dict | None:
        """`{"type", "size", "mode", "target"}` without following links; None if nothing exists."""
        return self.channel.request("stat", path=path)

    def list(self, path: str) -> list[str]:
        return self.channel.request("list", path=path) if self.exists(path) else []

    def remove(self, path: str) -> None:
        self.channel.request("remove", path=path)

    def symlink(self, path: str, target: str) -> None:
        self.channel.request("symlink", path=path, target=target)

    def listen(self, socket: str, to: str) -> None:
        """Listens on a datagram socket like systemd's; writes each message and an empty line to
        the file `to`."""
        self.channel.request("listen", socket=socket, to=to)

    # Connections

    def exchange(self, to: str, method: str, path: str, body: bytes = b"",
                 headers: dict[str, str] | None = None, file: str | None = None,
                 timeout: float = 60) -> Answer:
        """One HTTP request from inside the host. `file` is a path there whose content is the body."""
        size = self.channel.request("stat", path=file)["size"] if file else len(body)
        head = request(method, path, size, headers or {}) + body
        extra = {"body": file} if file else {}
        raw = self.channel.request("exchange", to=to, head=pack(head), **extra,
                                   timeout_ms=int(timeout * 1000), wait=3 * timeout + 30)
        return parse(unpack(raw), method)

    def get(self, to: str, path: str, timeout: float = 20) -> Answer | None:
        """GET from inside the host; None without a complete answer."""
        try:
            return self.exchange(to, "GET", path, timeout=timeout)
        except (RemoteError, http.client.HTTPException):
            return None

    def outside(self, path: str, timeout: float = 5) -> Answer | None:
        """GET on port 51678 from outside the host; None without an answer."""
        raise NotImplementedError

    def until(self, what: str, condition, process: Process | None = None):
        """Waits until a condition is true, and returns its value. A condition that raises because
        something does not exist yet counts as false.

        The wait also ends with `process`, on which the condition depends.
        """
        deadline, ended = time.monotonic() + TIMEOUT, False
        while True:
            why = ""
            try:
                if found := condition():
                    return found
            except (Failed, *UNMET) as error:
                why = f"\n{error!r}"
            if ended:
                raise Failed(f"{what}: not before this process exited:\n{process.wait()}{why}")
            if process and not process.running:
                # The condition may have become true just before the process exited.
                ended = True
                continue
            self.alive(what)
            if time.monotonic() > deadline:
                log = f"\n{process.stderr()}" if process else ""
                raise Failed(f"{what}: not within {TIMEOUT} s{why}{log}")
            time.sleep(self.pause)

    #: Seconds between two checks of a condition.
    pause = 0.05

    def alive(self, what: str) -> None:
        """Raises a HarnessError if the host has ended, so that waiting for `what` is pointless."""
