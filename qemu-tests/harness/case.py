"""Cases: how they are registered and selected, and the scene that each gets."""

import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass

from . import archives
from .errors import Failed, expect
from .host import NOWHERE, Host, Process, Result
from .job import BINARY, TASK
from .rootfs import OWN, Engine
from .world import Artifacts, Surroundings

#: The reference's exit code for any error.
FAILURE = 255


#: Why a case also runs in the emulated guests, and not only in namespaces of this machine.
#: The result depends on the CPU architecture or page size: ELF, netlink layout, names, images.
ARCHITECTURE = "architecture"
#: The result depends on the kernel: signals, processes, locks, sysctls, nftables, mounts.
KERNEL = "kernel"
#: The one case that runs this command in the guests.
COMMAND = "command"

#: `@case(engines=ALL)`: the result can depend on the Docker Engine's version.
ALL = "all"


@dataclass(frozen=True)
class Case:
    name: str
    variant: str
    what: str
    body: Callable[["Scene"], None]
    #: Whether it runs on every Docker Engine, or only on the guests' own.
    every_engine: bool = False
    #: ARCHITECTURE, KERNEL or COMMAND; None for a case that does not run in guests.
    guests: str | None = None

    @property
    def module(self) -> str:
        """The name of its file in `cases`."""
        return self.body.__module__.rpartition(".")[2]

    @property
    def needs_botocore(self) -> bool:
        return self.module == "s3"


CASES: list[Case] = []


def case(*variants: str, engines: str | None = None, guests: str | None = None,
         bare_guests: bool = False):
    """Registers a function as a case on hosts of these variants. Its name with dashes is the case's
    name, its docstring's first line the requirement. In guests it runs on the
    first variant only, unless `bare_guests`."""
    def register(body):
        name = body.__name__.strip("_").replace("_", "-")
        what = (body.__doc__ or "").strip().split("\n")[0]
        for variant in variants or ("full",):
            in_guests = bare_guests or variant in (variants[:1] or ("full",))
            suffix = "" if variant == "full" else f"@{variant}"
            CASES.append(Case(name + suffix, variant, what, body,
                              engines == ALL and variant == "full",
                              guests if in_guests else None))
        return body
    return register


def named(name: str, patterns: list[str]) -> bool:
    """Whether the name matches one of the patterns; without patterns every name does."""
    return not patterns or any(fnmatch.fnmatchcase(name, p) for p in patterns)


def select(patterns: list[str]) -> list[Case]:
    return [c for c in CASES if named(c.name, patterns)]


class Scene:
    """One case on one fresh host: the host, its dockerd, the fake S3 and IMDS."""

    def __init__(self, host: Host, artifacts: Artifacts, around: Surroundings,
                 engine: Engine = OWN):
        self.host, self.docker, self.engine = host, host.docker, engine
        self.artifacts, self.around = artifacts, around
        self.bucket, self.metadata = around.bucket, around.metadata
        self.settings = around.environment()
        self.ran: list[Process] = []
        # The agent's ports are in the ephemeral range: a probe sent before the agent listens could
        # get 51678 as its source port, connect to itself, and block the port for a minute.
        host.write("/proc/sys/net/ipv4/ip_local_reserved_ports", "51678-51679")

    # ecs-init

    def spawn(self, *words: str, **settings: str) -> Process:
        """Starts ecs-init with a PATH whose only directory does not exist. Settings are variables;
        an empty one unsets the tests' default."""
        env = NOWHERE | self.settings | settings
        process = self.host.spawn([BINARY, *words], {k: v for k, v in env.items() if v})
        self.ran.append(process)
        return process

    def init(self, *words: str, code: int = 0, **settings: str) -> Result:
        """Runs ecs-init, which must exit with `code`."""
        result = self.spawn(*words, **settings).wait()
        expect(result.code == code, f"expected exit {code}: {result}")
        return result

    def start(self, *words: str, **settings: str) -> Process:
        """Runs `start` (or the given command) and waits until the agent answers."""
        process = self.spawn(*(words or ("start",)), **settings)
        self.host.until("the agent answers on lo", self.agent_answers, process=process)
        return process

    # The agent

    def agent_answers(self) -> bool:
        answer = self.host.get("127.0.0.1:51678", "/v1/metadata")
        return answer is not None and answer.status == 200

    def answers_outside(self) -> bool:
        """Whether 51678 answers a request from outside the host."""
        answer = self.host.outside("/v1/metadata")
        return answer is not None and answer.status == 200

    def agent_version(self) -> str | None:
        """The running agent's version, like `v1.99.0`; None without an answer."""
        answer = self.host.get("127.0.0.1:51678", "/v1/metadata")
        if answer is None or answer.status != 200:
            return None
        match = re.search(r"v\d+\.\d+\.\d+", answer.json()["Version"])
        return match and match[0]

    def script(self, *actions: str) -> None:
        """Sets the agent's actions, one for each start, then `serve`."""
        self.host.write("/var/lib/ecs/data/agent-script", "".join(f"{a}\n" for a in actions))

    def events(self) -> list[str]:
        """The recorded events of all agents so far."""
        path = "/var/lib/ecs/data/agent-events"
        return self.host.text(path).splitlines() if self.host.exists(path) else []

    def starts(self) -> int:
        return sum(event.startswith("start ") for event in self.events())

    # Tasks

    def load_task(self) -> None:
        self.docker.load(TASK)

    def task(self, url: str, network: str, seconds: float = 120) -> Result:
        """Runs the probe in a container; exit 0 if it gets a 2xx answer in time."""
        return self.docker.run(archives.TASK, [url, str(int(seconds * 1000))], network)

    # Rules

    def rules(self) -> list[str]:
        """All rules as iptables-save prints them, without counters and comments; on a bare host
        as the driver dumps them from the kernel."""
        if self.host.variant == "bare":
            dump = self.host.channel.request("ruleset").splitlines()
            return [line for line in dump if line.startswith("rule ")]
        lines = []
        for tool in ("iptables-save", "ip6tables-save"):
            printed = saved(self.host.output(f"/usr/sbin/{tool}"))
            lines += [f"{tool.removesuffix('-save')} {line}" for line in printed]
        return lines

    def chain(self, tool: str, table: str, name: str) -> list[str]:
        """One chain's rules as `iptables -S` prints them."""
        listed = self.host.output(f"/usr/sbin/{tool}", "-t", table, "-S", name)
        return [line for line in listed.splitlines() if line.startswith("-A")]

    # The agent's image

    def nothing_loaded(self) -> None:
        """Fails if Docker has the agent's image or the cache has a tar."""
        expect(archives.AGENT not in self.docker.images(), f"{archives.AGENT} is in Docker")
        for name in self.host.list("/var/cache/ecs"):
            expect(name != "ecs-agent.tar", "ecs-agent.tar is in the cache")
        if self.host.exists("/var/cache/ecs/state"):
            state = self.host.text("/var/cache/ecs/state").strip()
            if state not in ("", "0"):
                raise Failed(f"the cache's state is {state}")


def saved(text: str) -> list[str]:
    """iptables-save's output, one line for each rule, policy and chain, after its table's name.

    Without counters, and without built-in chains with policy ACCEPT, which have no effect.
    """
    lines, table = [], ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(("-A", ":")):
            line = re.sub(r" \[\d+:\d+\]$", "", line)
            if not re.fullmatch(r":[A-Z]+ ACCEPT", line):
                lines.append(f"{table} {line}")
    return lines
