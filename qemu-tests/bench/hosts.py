"""Measurements in a whole host: network, loads, starts, idle, downloads."""

import datetime
import http.client
import os
import re
import socket
import sys
import time
from pathlib import Path
from statistics import median

from harness import bucket
from harness.archives import AGENT
from harness.case import Scene
from harness.errors import HarnessError, equal
from harness.job import BINARY
from harness.world import ADDRESS, REGION, REGIONAL

from . import recorded
from .commands import Command, ecs_init, execs, measure, tool
from .store import Store
from .table import Row

CACHE = "/var/cache/ecs"

#: Seconds that `start` is idle.
IDLE = 30

#: Pause in seconds between a change of Docker's images and the next load.
SETTLE = 0.3

#: A container created by the harness from the same body as ecs-init's.
FLOOR = "floor"


class Bench:
    """One namespace host with the agent's image of 100 MB, and the number of rounds."""

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
        """Puts the signed tar into the cache."""
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
        """pre-start in state 2, compared with the tar sent to dockerd by sendfile(2), with and
        without gpg --verify."""
        tar = self.cache / "ecs-agent.tar"
        gpg = Command([tool("gpg"), "--batch", "--no-tty", "--no-auto-check-trustdb", "--homedir",
                       self.scene.artifacts.world.trusted.home.name, "--verify", f"{tar}.asc", tar])
        pre_start = ecs_init(BINARY, "pre-start", self.settings)
        ways = {
            "mine": lambda: self._wall(pre_start, self.pid),
            "gpg": lambda: self._wall(gpg),
            "post": self._stream,
        }
        rows = []
        for what, fresh in (("image absent", True), ("image there", False)):
            times = {name: [] for name in ways}
            for number in range(self.rounds):
                # The order alternates: each may affect the one after it.
                for name in list(ways)[::-1 if number % 2 else 1]:
                    if fresh and name != "gpg":
                        self.without_image()
                    self.state(2)
                    # dockerd still cleans up after it has answered.
                    time.sleep(SETTLE)
                    times[name].append(ways[name]())
            mine, floor = times["mine"], times["post"]
            checked = [sum(both) for both in zip(times["gpg"], floor)]
            rows += [Row(f"pre-start with a load, {what}, wall", median(mine), "ms",
                         "gpg --verify and POST", median(checked)),
                     Row("", median(mine), "ms", "POST /images/load by Python", median(floor))]
        self.state(2)
        peak = measure({"load": [pre_start]}, 0, self.pid)
        # The next part starts without rules.
        self.scene.init("post-stop")
        return [*rows, Row("pre-start with a load, peak RSS", peak["load"].peak, "KiB")]

    def _requests(self, paths: list[str]) -> float:
        """Wall time of the reference's requests to dockerd, in ms. /version is slow: dockerd runs
        programs for it."""
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
            raise HarnessError(f"dockerd did not load the tar: {answer.status} {body!r}")
        return took

    def network(self) -> list[Row]:
        """pre-start and post-stop in state 1, where only the network changes, compared with the
        programs that the reference starts."""
        self.state(1)
        self._same_rules()
        before = self.scene.rules()
        found = measure({
            "pre-start": [ecs_init(BINARY, "pre-start", self.settings)],
            "post-stop": [ecs_init(BINARY, "post-stop", self.settings)],
            "reference pre-start": recorded.pre_start(),
            "reference post-stop": recorded.post_stop(),
        }, self.rounds, self.pid)
        equal(self.scene.rules(), before, "the rules after the last post-stop")
        rows = []
        for command, recorded_ms in (("pre-start", recorded.PRE_START),
                                     ("post-stop", recorded.POST_STOP)):
            own, reference = found[command], found[f"reference {command}"]
            request_ms = median(self._requests(recorded.REQUESTS[command])
                                for _ in range(self.rounds))
            programs = "reference's programs"
            rows += [
                Row(f"{command}, wall", own.median("wall"), "ms", programs,
                    reference.median("wall"), recorded_ms),
                Row("", own.median("wall"), "ms", "and its Docker requests by Python",
                    reference.median("wall") + request_ms),
                Row(f"{command}, user+sys", own.cpu, "ms", programs, reference.cpu),
                Row(f"{command}, peak RSS", own.peak, "KiB", "the largest of them", reference.peak),
                Row(f"{command}, voluntary switches", own.median("switches"), "", programs,
                    reference.median("switches")),
            ]
        return rows

    def _same_rules(self) -> None:
        """Both must write the same rules, or their times cannot be compared."""
        self.scene.init("pre-start")
        own = self.scene.rules()
        self.scene.init("post-stop")
        measure({"add": recorded.pre_start()}, 1, self.pid, peaks=False)
        reference = self.scene.rules()
        measure({"delete": recorded.post_stop()}, 1, self.pid, peaks=False)
        equal(reference, own, "the rules of the reference's programs")

    def processes(self) -> list[Row]:
        rows = []
        for command in ("pre-start", "post-stop"):
            calls = execs([BINARY, command], self.scene.settings, self.pid,
                          self.log / f"{command}.execs")
            rows.append(Row(f"{command}, execve calls", len(calls), "", recorded=recorded.EXECS))
        return rows

    def starting(self) -> list[Row]:
        """`start` until the container's StartedAt, compared with the same three requests by Python."""
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
        # Python parses at most microseconds.
        return datetime.datetime.fromisoformat(
            re.sub(r"(\.\d{6})\d*Z$", r"\1+00:00", stamp)).timestamp()

    def idle(self) -> list[Row]:
        """Memory and context switches of an idle `start`."""
        process = self.scene.start()
        # The agent may answer before Docker reports its start.
        time.sleep(2)
        before = self._status(process.pid)
        time.sleep(IDLE)
        after = self._status(process.pid)
        rollup = self._fields(f"/proc/{process.pid}/smaps_rollup")
        process.kill()
        process.wait()
        switches = {key: int(after[f"{key}_ctxt_switches"]) - int(before[f"{key}_ctxt_switches"])
                    for key in ("voluntary", "nonvoluntary")}
        then = recorded.IDLE
        return [
            Row("idle start, RSS", _kib(after["VmRSS"]), "KiB", recorded=then["VmRSS"]),
            Row("idle start, PSS", _kib(rollup["Pss"]), "KiB", recorded=then["Pss"]),
            Row("idle start, threads", int(after["Threads"]), "", recorded=then["Threads"]),
            Row(f"idle start, voluntary switches in {IDLE} s", switches["voluntary"], "",
                recorded=then["switches"]),
            Row(f"idle start, other switches in {IDLE} s", switches["nonvoluntary"], "",
                recorded=0),
        ]

    def _fields(self, path: str) -> dict[str, str]:
        return dict(re.findall(r"(\w+):\s+(.*)", self.host.text(path)))

    def _status(self, pid: int) -> dict[str, str]:
        return self._fields(f"/proc/{pid}/status")

    def downloading(self) -> tuple[list[Row], str]:
        """A download over TLS by the server's clock, compared with http.client; and the cipher."""
        artifacts = self.scene.artifacts
        path = REGIONAL + artifacts.name()
        store = Store({path: artifacts.tar, f"{path}.asc": artifacts.signature})
        server = bucket.serve(store, artifacts.world.authority.server)
        mine, whole, floor = [], [], []
        settings = self.settings | {"AWS_ENDPOINT_URL_S3": f"https://{ADDRESS}:{server.port}"}
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
                whole.append(self._wall(ecs_init(BINARY, "reload-cache", settings), self.pid))
                mine.append(store.next(number))
                self._wall(fetch, self.pid)
                floor.append(store.next(number + 1))
                copy.unlink()
            self.empty()
            peak = measure({"get": [ecs_init(BINARY, "reload-cache", settings)]}, 0, self.pid)
        finally:
            server.close()
        return [
            Row("download over TLS, wall", median(mine), "ms", "Python, OpenSSL", median(floor)),
            Row("reload-cache: download, verify, load, wall", median(whole), "ms"),
            Row("reload-cache, peak RSS", peak["get"].peak, "KiB"),
        ], ", ".join(sorted(store.ciphers))


def _kib(text: str) -> int:
    return int(text.removesuffix("kB"))
