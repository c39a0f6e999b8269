"""A stage of cases: prepares its hosts once, runs each case on a fresh host, reports."""

import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from . import builds, rootfs
from .case import Case, Scene
from .channel import RemoteError
from .docker import LOG
from .errors import Failed, HarnessError
from .guest import GuestHost, Snapshot
from .host import UNMET, Host
from .namespaces import NamespaceHost
from .results import BROKEN, Results, indent, tail
from .rootfs import OWN, Engine
from .schedule import Job
from .world import Artifacts, Surroundings, World

#: From a variant and a log directory to a fresh host, to be used in a `with`.
MakeHost = Callable[[str, Path], Host]


@dataclass(frozen=True)
class Options:
    """The options of the command line that apply to every stage."""

    binary_directory: Path | None
    debug: bool
    logs: Path


class Stage:
    """`ns` on one Engine, or the guests of one architecture. Its preparation runs once, on
    the worker that needs it first; if it fails, the harness failed and no case runs."""

    def __init__(self, name: str, cases: list[Case], world: World, options: Options,
                 results: Results, engine: Engine = OWN):
        """`engine` is another Engine than that of the guests; only `ns` supports it."""
        self.kind, self.cases, self.engine = name, cases, engine
        self.name = name if engine == OWN else f"{name}/{engine.name}"
        self.arch = "x86_64" if name == "ns" else name
        self.world, self.options, self.results = world, options, results
        self.logs = options.logs / self.name.replace("/", "-")
        self._lock = threading.Lock()
        self._make: MakeHost | None = None
        self._failed = False

    def jobs(self) -> Iterable[Job]:
        for case in self.cases:
            yield Job(self.name, lambda case=case: self._job(case))

    def prepare(self) -> bool:
        """Prepares the hosts once. False if this call or an earlier one failed."""
        with self._lock:
            if self._make is None and not self._failed:
                try:
                    self._prepare()
                except Exception as error:
                    self._failed = True
                    self.results.broke(self.name, error)
            return not self._failed

    def _prepare(self) -> None:
        programs = builds.guest_programs(self.arch)
        binary = builds.under_test(self.arch, self.options.binary_directory,
                                   self.options.debug and self.kind == "ns")
        self.artifacts = Artifacts(self.world, programs, self.arch)
        self.logs.mkdir(parents=True, exist_ok=True)
        job = self.artifacts.job(binary).write(self.logs / "job.tar")
        self._make = host_maker(self.kind, self.arch, sorted({c.variant for c in self.cases}),
                                programs.driver, job, self.results, self.engine)

    def _job(self, case: Case) -> None:
        if self.prepare():
            self.results.with_retries(f"{self.name} {case.name}", lambda: self._run(case))

    def _run(self, case: Case) -> None:
        log = self.logs / case.name
        log.mkdir(parents=True, exist_ok=True)
        started, reported = time.monotonic(), False
        try:
            with ExitStack() as stack:
                around = stack.enter_context(Surroundings(self.world))
                host = stack.enter_context(self._make(case.variant, log))
                scene = Scene(host, self.artifacts, around, self.engine)
                problem = _problem(case, scene)
                evidence = _evidence(scene) if problem else []
                # Reported before the host is removed: an error of the removal must not hide the result.
                self._report(case, time.monotonic() - started, problem, evidence)
                reported = True
        except BROKEN as error:
            if not reported:
                raise
            self.results.say(f"      {self.name} {case.name}: while removing the host: {error}")

    def _report(self, case: Case, seconds: float, problem: str | None,
                evidence: list[str]) -> None:
        text = f"{'FAIL' if problem else 'ok':5} {self.name} {case.name} ({seconds:.1f} s)"
        if problem:
            text += f": {case.what}\n" + indent("\n".join([problem, *evidence]))
        self.results.count(not problem, bool(problem))
        self.results.say(text)


def host_maker(kind: str, arch: str, variants: list[str], driver: Path, job: Path, results: Results,
               engine: Engine = OWN) -> MakeHost:
    """Builds or finds the roots or snapshots that the hosts are made from."""
    if kind == "ns":
        roots = {variant: builds.root(engine, variant, driver) for variant in variants}
        return lambda variant, log: NamespaceHost(
            roots[variant], driver, job, variant, log / "driver.log", engine.daemon)
    guests = {variant: rootfs.guest.build(arch, variant, driver) for variant in variants}
    snapshots = {}
    for variant in variants:
        started = time.monotonic()
        snapshots[variant] = Snapshot.of(guests[variant])
        if snapshots[variant].fresh:
            results.say(f"      {kind}: {variant} guest booted and saved in "
                        f"{time.monotonic() - started:.1f} s")
    return lambda variant, log: GuestHost(snapshots[variant], job, log)


def _problem(case: Case, scene: Scene) -> str | None:
    """Why the case failed; None if it passed."""
    try:
        case.body(scene)
        return None
    except Failed as failed:
        return str(failed)
    except UNMET:
        # The host does not have what the case assumes.
        return traceback.format_exc().strip()


def _evidence(scene: Scene) -> list[str]:
    """The logs of a failed case, as far as the host still answers."""
    parts = []
    try:
        for process in scene.ran:
            parts.append(tail(f"{' '.join(process.argv)}, stderr", process.stderr()))
        # containerd logs a page about its plugins.
        log = [line for line in scene.host.text(LOG).splitlines() if "plugin" not in line]
        parts.append(tail("dockerd", "\n".join(log)))
        parts.append(tail("agent events", "\n".join(scene.events())))
    except (RemoteError, Failed, HarnessError) as error:
        parts.append(f"(the host does not answer: {error})")
    requests = "\n".join(str(request) for request in scene.bucket.journal)
    parts.append(tail("S3 requests", requests))
    parts.append(tail("IMDS requests", "\n".join(map(str, scene.metadata.journal))))
    return [part for part in parts if part]
