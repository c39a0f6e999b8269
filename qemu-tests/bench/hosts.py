"""What takes a whole host: its network, its dockerd, and time to sit still."""

import datetime
import http.client
import os
import re
import socket
import sys
import time
from pathlib import Path
from statistics import median

from harness.archives import AGENT
from harness.case import Scene
from harness.errors import HarnessError, equal
from harness.job import BINARY
from harness.world import ADDRESS, REGION, REGIONAL

from . import recorded
from .commands import Command, execs, measure, ours, tool
from .store import Store
from .table import Row

CACHE = "/var/cache/ecs"

#: Seconds that `start` is left alone.
STILL = 30

#: Seconds between a change of Docker's images and the next load.
SETTLE = 0.3

#: Created and started by hand, from what ecs-init's own was made of.
FLOOR = "floor"


class Bench:
    """One namespace host with the agent's image of 100 MB, and the rounds to run."""

    def __init__(self, scene: Scene, rounds: int, log: Path):
        self.scene, self.host, self.docker = scene, scene.host, scene.docker
        self.rounds, self.log = rounds, log
        self.settings = scene.settings | {"ECS_INIT_REGION": REGION}
        parent = scene.host.process.pid
        self.pid = int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
        self.root = Path(f"/proc/{self.pid}/root")
        self.cache = self.root / CACHE.lstrip("/")

    # The cache

    def fill(self) -> None:
        """The signed tar in the cache, its image not in Docker."""
        self.cache.mkdir(parents=True, exist_ok=True)
        (self.cache / "ecs-agent.tar").write_bytes(self.scene.artifacts.tar)
        (self.cache / "ecs-agent.tar.asc").write_bytes(self.scene.artifacts.signature)

    def empty(self) -> None:
        for name in ("state", "ecs-agent.tar", "ecs-agent.tar.asc"):
            self.host.remove(f"{CACHE}/{name}")

    def state(self, number: int) -> None:
        self.host.write(f"{CACHE}/state", str(number))

    def without_image(self) -> None:
        if AGENT in self.docker.images():
            self.docker.untag(AGENT)

    # The parts

    def loading(self) -> list[Row]:
        """State 2, against the tar streamed to dockerd by sendfile(2), with and without
        a gpg before it."""
        tar = self.cache / "ecs-agent.tar"
        gpg = Command([tool("gpg"), "--batch", "--no-tty", "--no-auto-check-trustdb", "--homedir",
                       self.scene.artifacts.world.trusted.home.name, "--verify", f"{tar}.asc", tar])
        pre_start = ours(BINARY, "pre-start", self.settings)
        ways = {
            "mine": lambda: self._wall(pre_start, self.pid),
            "gpg": lambda: self._wall(gpg),
            "post": self._stream,
        }
        rows = []
        for what, fresh in (("image absent", True), ("image there", False)):
            times = {name: [] for name in ways}
            for number in range(self.rounds):
                # Every other round the other way about: none always comes after the same.
                for name in list(ways)[::-1 if number % 2 else 1]:
                    if fresh and name != "gpg":
                        self.without_image()
                    self.state(2)
                    # dockerd clears up behind its answer.
                    time.sleep(SETTLE)
                    times[name].append(ways[name]())
            mine, floor = times["mine"], times["post"]
            checked = [sum(both) for both in zip(times["gpg"], floor)]
            rows += [Row(f"pre-start with a load, {what}, wall", median(mine), "ms",
                         "gpg --verify and POST", median(checked)),
                     Row("", median(mine), "ms", "POST /images/load by Python", median(floor))]
        self.state(2)
        peak = measure({"load": [pre_start]}, 0, self.pid)
        # The network is the next part's.
        self.scene.init("post-stop")
        return [*rows, Row("pre-start with a load, peak RSS", peak["load"].peak, "KiB")]

    def _requests(self, paths: list[str]) -> float:
        """The reference's questions to dockerd, in ms. Slow is /version, for which
        dockerd runs programs of its own."""
        began = time.perf_counter()
        for path in paths:
            connection = self._connect()
            connection.request("GET", f"/v1.25{path}")
            answer = connection.getresponse()
            answer.read()
            connection.close()
            if answer.status != 200:
                raise HarnessError(f"dockerd answers {answer.status} to {path}")
        return (time.perf_counter() - began) * 1e3

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("docker")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.root / "run/docker.sock"))
        return connection

    @staticmethod
    def _wall(command: Command, pid: int | None = None) -> float:
        return measure({"one": [command]}, 1, pid, peaks=False)["one"].median("wall")

    def _stream(self) -> float:
        began = time.perf_counter()
        connection = self._connect()
        with (self.cache / "ecs-agent.tar").open("rb") as tar:
            connection.putrequest("POST", "/v1.41/images/load?quiet=1")
            connection.putheader("Content-Type", "application/x-tar")
            connection.putheader("Content-Length", str(os.fstat(tar.fileno()).st_size))
            connection.endheaders()
            connection.sock.sendfile(tar)
            answer = connection.getresponse()
            body = answer.read()
        took = (time.perf_counter() - began) * 1e3
        connection.close()
        if answer.status != 200 or b'"error' in body:
            raise HarnessError(f"dockerd did not load the floor's tar: {answer.status} {body!r}")
        return took

    def network(self) -> list[Row]:
        """State 1, so nothing but the network changes, against the programs that the
        reference starts for it."""
        self.state(1)
        self._same_rules()
        before = self.scene.rules()
        found = measure({
            "pre-start": [ours(BINARY, "pre-start", self.settings)],
            "post-stop": [ours(BINARY, "post-stop", self.settings)],
            "its pre-start": recorded.pre_start(),
            "its post-stop": recorded.post_stop(),
        }, self.rounds, self.pid)
        equal(self.scene.rules(), before, "the rules after the last post-stop")
        rows = []
        for verb, day in (("pre-start", recorded.PRE_START), ("post-stop", recorded.POST_STOP)):
            mine, its = found[verb], found[f"its {verb}"]
            asked = median(self._requests(recorded.REQUESTS[verb]) for _ in range(self.rounds))
            programs = "its nine programs"
            rows += [
                Row(f"{verb}, wall", mine.median("wall"), "ms", programs, its.median("wall"), day),
                Row("", mine.median("wall"), "ms", "and its Docker requests, by Python",
                    its.median("wall") + asked),
                Row(f"{verb}, user+sys", mine.cpu, "ms", programs, its.cpu),
                Row(f"{verb}, peak RSS", mine.peak, "KiB", "the largest of them", its.peak),
                Row(f"{verb}, voluntary switches", mine.median("switches"), "", programs,
                    its.median("switches")),
            ]
        return rows

    def _same_rules(self) -> None:
        """Both ways must lead to the same rules, or their times say nothing."""
        self.scene.init("pre-start")
        mine = self.scene.rules()
        self.scene.init("post-stop")
        measure({"add": recorded.pre_start()}, 1, self.pid, peaks=False)
        its = self.scene.rules()
        measure({"delete": recorded.post_stop()}, 1, self.pid, peaks=False)
        equal(its, mine, "the rules of the nine programs")

    def processes(self) -> list[Row]:
        rows = []
        for verb in ("pre-start", "post-stop"):
            calls = execs([BINARY, verb], self.scene.settings, self.pid, self.log / f"{verb}.execs")
            rows.append(Row(f"{verb}, execve calls", len(calls), "", recorded=recorded.EXECS))
        return rows

    def starting(self) -> list[Row]:
        """`start` to the container's StartedAt, against the same three requests by Python."""
        mine, floor = [], []
        for _ in range(self.rounds):
            began = time.time()
            process = self.scene.start()
            mine.append((self._started("ecs-agent") - began) * 1e3)
            made = self.docker.inspect("ecs-agent")
            process.kill()
            process.wait()
            body = made["Config"] | {"HostConfig": made["HostConfig"]}
            began = time.time()
            self.docker.call("DELETE", f"/containers/{FLOOR}?force=1")
            self.docker.ok("POST", f"/containers/create?name={FLOOR}", body)
            self.docker.ok("POST", f"/containers/{FLOOR}/start")
            floor.append((self._started(FLOOR) - began) * 1e3)
            self.docker.ok("POST", f"/containers/{FLOOR}/stop?t=10")
        self.docker.ok("DELETE", f"/containers/{FLOOR}?force=1")
        return [Row("start to StartedAt", median(mine), "ms", "remove, create, start",
                    median(floor), recorded.STARTED_AT)]

    def _started(self, name: str) -> float:
        stamp = self.docker.inspect(name)["State"]["StartedAt"]
        # Nanoseconds are more than Python reads.
        return datetime.datetime.fromisoformat(
            re.sub(r"(\.\d{6})\d*Z$", r"\1+00:00", stamp)).timestamp()

    def still(self) -> list[Row]:
        """What `start` holds and does while nothing happens."""
        process = self.scene.start()
        # The agent may answer before Docker has said that it started.
        time.sleep(2)
        before = self._status(process.pid)
        time.sleep(STILL)
        after = self._status(process.pid)
        rollup = self._fields(f"/proc/{process.pid}/smaps_rollup")
        process.kill()
        process.wait()
        switches = {key: int(after[f"{key}_ctxt_switches"]) - int(before[f"{key}_ctxt_switches"])
                    for key in ("voluntary", "nonvoluntary")}
        then = recorded.IDLE
        return [
            Row("start at rest, RSS", _kib(after["VmRSS"]), "KiB", recorded=then["VmRSS"]),
            Row("start at rest, PSS", _kib(rollup["Pss"]), "KiB", recorded=then["Pss"]),
            Row("start at rest, threads", int(after["Threads"]), "", recorded=then["Threads"]),
            Row(f"start at rest, voluntary switches in {STILL} s", switches["voluntary"], "",
                recorded=then["switches"]),
            Row(f"start at rest, other switches in {STILL} s", switches["nonvoluntary"], "",
                recorded=0),
        ]

    def _fields(self, path: str) -> dict[str, str]:
        return dict(re.findall(r"(\w+):\s+(.*)", self.host.text(path)))

    def _status(self, pid: int) -> dict[str, str]:
        return self._fields(f"/proc/{pid}/status")

    def downloading(self) -> tuple[list[Row], str]:
        """A tar over TLS, by the server's clock, against http.client; and the cipher."""
        artifacts = self.scene.artifacts
        path = REGIONAL + artifacts.name()
        store = Store({path: artifacts.tar, f"{path}.asc": artifacts.signature},
                      artifacts.world.authority.server)
        mine, whole, floor = [], [], []
        settings = self.settings | {"AWS_ENDPOINT_URL_S3": f"https://{ADDRESS}:{store.port}"}
        authority = self.log / "ca.pem"
        authority.write_bytes(artifacts.world.authority.certificate)
        copy = self.cache / "floor"
        fetch = Command([sys.executable, str(Path(__file__).with_name("fetch.py")),
                         settings["AWS_ENDPOINT_URL_S3"] + path, str(authority), str(copy)],
                        where="net")
        try:
            for _ in range(self.rounds):
                self.empty()
                number = len(store.times)
                whole.append(self._wall(ours(BINARY, "reload-cache", settings), self.pid))
                mine.append(store.next(number))
                self._wall(fetch, self.pid)
                floor.append(store.next(number + 1))
                copy.unlink()
            self.empty()
            peak = measure({"get": [ours(BINARY, "reload-cache", settings)]}, 0, self.pid)
        finally:
            store.close()
        return [
            Row("download over TLS, wall", median(mine), "ms", "Python, OpenSSL", median(floor)),
            Row("reload-cache: download, verify, load, wall", median(whole), "ms"),
            Row("reload-cache, peak RSS", peak["get"].peak, "KiB"),
        ], ", ".join(sorted(store.ciphers))


def _kib(text: str) -> int:
    return int(text.removesuffix("kB"))
