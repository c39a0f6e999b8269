"""Commands to be measured, and what was counted for them."""

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

#: The machine's tools, those of the superuser too.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Command:
    """`where`: `here`, in the `host`, or in the host's `net` alone."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=lambda: dict(TOOLS))
    where: str = "here"


@dataclass(frozen=True)
class Measured:
    """What several commands in a row took, run by run; the peak is the largest of any."""

    runs: list[dict[str, float]]
    peak: int | None

    def median(self, key: str) -> float:
        """`wall` in ms; `switches` (of its own will), `preempted`."""
        return median(run[key] for run in self.runs)

    @property
    def cpu(self) -> float:
        """User and system time together, in ms. The sum is exact; the kernel splits it by
        where its ticks fell, and a run shorter than a tick is all user time then."""
        return median(run["user"] + run["sys"] for run in self.runs)


def measure(groups: dict[str, list[Command]], rounds: int, pid: int | None = None,
            peaks: bool = True) -> dict[str, Measured]:
    """Runs the groups in turn, `rounds` times; each command must end with 0."""
    told = {"pid": pid, "rounds": rounds, "peaks": peaks, "groups": {
        name: [{"argv": list(map(str, c.argv)), "env": c.env, "where": c.where} for c in commands]
        for name, commands in groups.items()}}
    done = subprocess.run([sys.executable, LAUNCH], input=json.dumps(told), text=True,
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
    # The first is nsenter itself.
    return lines[1:]


def tool(name: str) -> str:
    """Where the machine has a program."""
    if found := shutil.which(name, path=PATH):
        return found
    raise HarnessError(f"{name} is not on this machine")


def ours(binary: str, verb: str, settings: dict[str, str], where: str = "host",
         *words: str) -> Command:
    """ecs-init with a PATH that leads nowhere."""
    return Command([binary, verb, *words], NOWHERE | settings, where)
