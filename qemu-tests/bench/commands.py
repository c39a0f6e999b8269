"""Commands to measure, and their measurements."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from harness.errors import HarnessError
from harness.host import NOWHERE, TOOLS

#: The machine's tools, including those in sbin.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Command:
    """A command line. `where` is `here` for this machine, `host` for all namespaces of the host, or
    `net` for the host's network namespace only."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=lambda: dict(TOOLS))
    where: str = "here"


@dataclass(frozen=True)
class Measured:
    """Measurements of a sequence of commands, run by run; the peak is that of the largest."""

    runs: list[dict[str, float]]
    peak: int | None

    def median(self, key: str) -> float:
        """Of `wall` in ms, `switches` (voluntary) or `preempted`."""
        return median(run[key] for run in self.runs)

    @property
    def cpu(self) -> float:
        """User and system time in ms. Only the sum is exact: the kernel splits it by its ticks, and
        a run shorter than a tick counts as user time."""
        return median(run["user"] + run["sys"] for run in self.runs)


def measure(groups: dict[str, list[Command]], rounds: int, pid: int | None = None,
            peaks: bool = True) -> dict[str, Measured]:
    """Runs the groups alternately, `rounds` times; each command must exit 0."""
    request = {"pid": pid, "rounds": rounds, "peaks": peaks, "groups": {
        name: [{"argv": list(map(str, c.argv)), "env": c.env, "where": c.where} for c in commands]
        for name, commands in groups.items()}}
    done = subprocess.run([sys.executable, LAUNCH], input=json.dumps(request), text=True,
                          capture_output=True)
    if done.returncode:
        raise HarnessError(f"measuring failed: {done.stderr.strip()}")
    answer = json.loads(done.stdout)
    return {name: Measured(answer["runs"][name], answer["peaks"].get(name)) for name in groups}


def execs(argv: list[str], env: dict[str, str], pid: int, log: Path) -> list[str]:
    """The successful execve calls of a command in a host and of all its children."""
    done = subprocess.run(
        ["strace", "-f", "-q", "-e", "trace=execve,execveat", "-e", "signal=none", "-o", log,
         "nsenter", "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "--", *argv],
        env=TOOLS | env | {"PATH": TOOLS["PATH"]}, capture_output=True, text=True)
    if done.returncode:
        raise HarnessError(f"strace of {' '.join(argv)}: {done.stderr.strip()}")
    lines = [line for line in log.read_text().splitlines()
             if "exec" in line and line.rstrip().endswith("= 0")]
    # The first is nsenter.
    return lines[1:]


def tool(name: str) -> str:
    """The path of a program of this machine."""
    if found := shutil.which(name, path=PATH):
        return found
    raise HarnessError(f"{name} is not installed")


def ecs_init(binary: str, command: str, settings: dict[str, str], where: str = "host",
         *words: str) -> Command:
    """ecs-init with a PATH whose only directory does not exist: it must not run programs."""
    return Command([binary, command, *words], NOWHERE | settings, where)
