"""What a case is, and what it is handed."""

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

#: Exit 255 is what the reference ends with when anything failed.
FAILURE = 255


@dataclass(frozen=True)
class Case:
    name: str
    sort: str
    what: str
    body: Callable[["Scene"], None]
    #: Whether it runs on every Docker Engine, or on the hosts' own alone.
    everywhere: bool = False


CASES: list[Case] = []


#: `@case(engines=ALL)`: the case holds something that an Engine's version could change.
ALL = "all"


def case(*sorts: str, engines: str | None = None):
    """Registers a function as a case on hosts of these sorts. Its name, with
    dashes, is the case's; its docstring's first line says what must hold."""
    def register(body):
        name = body.__name__.strip("_").replace("_", "-")
        what = (body.__doc__ or "").strip().split("\n")[0]
        for sort in sorts or ("full",):
            suffix = "" if sort == "full" else f"@{sort}"
            CASES.append(Case(name + suffix, sort, what, body,
                              engines == ALL and sort == "full"))
        return body
    return register


def named(name: str, patterns: list[str]) -> bool:
    """Whether one of the patterns means this name; none at all means every one."""
    return not patterns or any(fnmatch.fnmatchcase(name, p) for p in patterns)


def select(patterns: list[str]) -> list[Case]:
    return [c for c in CASES if named(c.name, patterns)]


class Scene:
    """One case on one fresh host: the host, its dockerd, the world around it."""

    def __init__(self, host: Host, artifacts: Artifacts, around: Surroundings,
                 engine: Engine = OWN):
        self.host, self.docker, self.engine = host, host.docker, engine
        self.artifacts, self.around = artifacts, around
        self.bucket, self.metadata = around.bucket, around.metadata
        self.settings = around.environment()
        self.ran: list[Process] = []
        # The agent's ports are of the range that connections leave from. A probe that asks before
        # the agent is there could be given 51678 for its own end, reach itself, and keep the port
        # from the agent for a minute.
        host.write("/proc/sys/net/ipv4/ip_local_reserved_ports", "51678-51679")

    # ecs-init

    def spawn(self, *words: str, **settings: str) -> Process:
        """Starts ecs-init with a PATH that leads nowhere. Settings are variables;
        an empty one takes a default of the tests' away."""
        env = NOWHERE | self.settings | settings
        process = self.host.spawn([BINARY, *words], {k: v for k, v in env.items() if v})
        self.ran.append(process)
        return process

    def init(self, *words: str, code: int = 0, **settings: str) -> Result:
        """Runs ecs-init to its end, which must be with `code`."""
        result = self.spawn(*words, **settings).wait()
        expect(result.code == code, f"wanted exit {code} of {result}")
        return result

    def start(self, *words: str, **settings: str) -> Process:
        """`start` (or the given verb), and the agent it brings up."""
        process = self.spawn(*(words or ("start",)), **settings)
        self.host.until("the agent answers on lo", self.agent_answers, process=process)
        return process

    # The agent

    def agent_answers(self) -> bool:
        answer = self.host.get("127.0.0.1:51678", "/v1/metadata")
        return answer is not None and answer.status == 200

    def answers_outside(self) -> bool:
        """Whether 51678 answers who asks from outside the host."""
        answer = self.host.outside("/v1/metadata")
        return answer is not None and answer.status == 200

    def agent_version(self) -> str | None:
        """The version that the running agent tells, `v1.99.0`."""
        answer = self.host.get("127.0.0.1:51678", "/v1/metadata")
        if answer is None or answer.status != 200:
            return None
        match = re.search(r"v\d+\.\d+\.\d+", answer.json()["Version"])
        return match and match[0]

    def script(self, *actions: str) -> None:
        """What the agent is to do, one action a start, then `serve`."""
        self.host.write("/var/lib/ecs/data/agent-script", "".join(f"{a}\n" for a in actions))

    def events(self) -> list[str]:
        """What the agents did so far."""
        path = "/var/lib/ecs/data/agent-events"
        return self.host.text(path).splitlines() if self.host.exists(path) else []

    def starts(self) -> int:
        return sum(event.startswith("start ") for event in self.events())

    # Tasks

    def load_task(self) -> None:
        self.docker.load(TASK)

    def task(self, url: str, network: str, seconds: float = 120) -> Result:
        """The probe in a container of its own, exit 0 when it got an answer in time."""
        return self.docker.run(archives.TASK, [url, str(int(seconds * 1000))], network)

    # Rules

    def rules(self) -> list[str]:
        """All rules that the host's tools print, without counters and comments;
        on a bare host the kernel's own words."""
        if self.host.sort == "bare":
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

    # Nothing was loaded

    def nothing_loaded(self) -> None:
        """No image of the agent, and nothing in the cache that could become one."""
        expect(archives.AGENT not in self.docker.images(), f"{archives.AGENT} is in Docker")
        for name in self.host.list("/var/cache/ecs"):
            expect(name != "ecs-agent.tar", "ecs-agent.tar is in the cache")
        if self.host.exists("/var/cache/ecs/state"):
            state = self.host.text("/var/cache/ecs/state").strip()
            if state not in ("", "0"):
                raise Failed(f"the cache's state says {state}")


def saved(text: str) -> list[str]:
    """iptables-save's output as one line a rule, policy or chain, the table before it.

    Left out is what changes by itself (counters) or changes nothing: an empty
    built-in chain that accepts, and a table of such chains, do what none do.
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
