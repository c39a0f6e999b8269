"""Runs the cases of one stage, one after another, and says how each ended."""

import subprocess
import threading
import time
import traceback
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from . import builds, rootfs
from .case import Case, Scene
from .channel import RemoteError
from .docker import LOG
from .errors import Failed, HarnessError
from .guest import GuestHost, Snapshot
from .host import UNMET
from .namespaces import NamespaceHost
from .rootfs import OWN, Engine
from .world import Artifacts, Surroundings, World

#: What says nothing about ecs-init.
BROKEN = (HarnessError, OSError, subprocess.SubprocessError)

#: Lines of a log that a failure shows.
TAIL = 30


@dataclass
class Tally:
    """What came of the cases. `broken` holds the harness's own failures, `again` what was run
    once more because of one."""

    passed: int = 0
    failed: int = 0
    broken: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, text: str) -> None:
        with self.lock:
            print(text, flush=True)


@dataclass(frozen=True)
class Options:
    binary_directory: Path | None
    debug: bool
    logs: Path


def patiently(what: str, run, tally: Tally) -> None:
    """Runs something on a host, and again on another one when the harness fails: an emulator can
    die under a guest, a dockerd have no time to start, which says nothing about ecs-init. The
    third time it is the harness, which is noted."""
    for last in (False, False, True):
        try:
            return run()
        except BROKEN as error:
            if last:
                with tally.lock:
                    tally.broken.append(f"{what}: {error}")
            else:
                with tally.lock:
                    tally.again.append(what)
                tally.say(f"again {what}: {error}")


def run_stage(stage: str, cases: list[Case], world: World, options: Options, tally: Tally,
              engine: Engine = OWN) -> None:
    """All cases of one stage; a broken stage ends here and is noted. Only `ns` has
    other Engines than the guests' own."""
    arch = "x86_64" if stage == "ns" else stage
    name = stage if engine == OWN else f"{stage}/{engine.name}"
    try:
        programs = builds.guest_programs(arch)
        binary = builds.under_test(arch, options.binary_directory, options.debug and stage == "ns")
        artifacts = Artifacts(world, programs, arch)
        logs = options.logs / name.replace("/", "-")
        logs.mkdir(parents=True, exist_ok=True)
        job = artifacts.job(binary).write(logs / "job.tar")
        make = maker(stage, arch, sorted({c.sort for c in cases}), programs.driver, job, tally,
                     engine)
        for case in cases:
            def run(case=case) -> None:
                _run_case(name, case, make, world, artifacts, engine, logs / case.name, tally)
            patiently(f"{name} {case.name}", run, tally)
    except HarnessError as error:
        with tally.lock:
            tally.broken.append(f"{name}: {error}")
    except Exception:
        with tally.lock:
            tally.broken.append(f"{name}: {traceback.format_exc().strip()}")


def maker(stage: str, arch: str, sorts: list[str], driver: Path, job: Path, tally: Tally,
          engine: Engine = OWN):
    """A function from sort and log directory to a fresh host."""
    if stage == "ns":
        roots = {sort: builds.root(engine, sort, driver) for sort in sorts}
        return lambda sort, log: NamespaceHost(
            roots[sort], driver, job, sort, log / "driver.log", engine.daemon)
    guests = {sort: rootfs.guest.build(arch, sort, driver) for sort in sorts}
    snapshots = {}
    for sort in sorts:
        started = time.monotonic()
        snapshots[sort] = Snapshot.of(guests[sort])
        if snapshots[sort].fresh:
            tally.say(f"      {stage}: a {sort} guest booted to dockerd and saved, "
                      f"{time.monotonic() - started:.1f} s")
    return lambda sort, log: GuestHost(snapshots[sort], job, log)


def _run_case(stage: str, case: Case, make, world: World, artifacts: Artifacts,
              engine: Engine, log: Path, tally: Tally) -> None:
    log.mkdir(parents=True, exist_ok=True)
    started, told = time.monotonic(), False
    try:
        with ExitStack() as stack:
            around = stack.enter_context(Surroundings(world))
            host = stack.enter_context(make(case.sort, log))
            scene = Scene(host, artifacts, around, engine)
            problem = None
            try:
                case.body(scene)
            except Failed as failed:
                problem = str(failed)
            except UNMET:
                # The host did not have what the case took for granted.
                problem = traceback.format_exc().strip()
            evidence = _evidence(scene) if problem else []
            # Before the host is taken down, which may go wrong: what was found stays found.
            _tell(stage, case, time.monotonic() - started, problem, evidence, tally)
            told = True
    except BROKEN as error:
        if not told:
            raise
        tally.say(f"      {stage} {case.name}: afterwards: {error}")


def _tell(stage: str, case: Case, seconds: float, problem: str | None, evidence: list[str],
          tally: Tally) -> None:
    verdict = "FAIL" if problem else "ok"
    text = f"{verdict:5} {stage} {case.name} ({seconds:.1f} s)"
    if problem:
        text += f": {case.what}\n" + indent("\n".join([problem, *evidence]))
    with tally.lock:
        tally.failed += bool(problem)
        tally.passed += not problem
        print(text, flush=True)


def _evidence(scene: Scene) -> list[str]:
    """What the logs say, as far as the host can still tell."""
    parts = []
    try:
        for process in scene.ran:
            parts.append(tail(f"{' '.join(process.argv)}, stderr", process.stderr()))
        # containerd tells of its plugins by the page.
        log = [line for line in scene.host.text(LOG).splitlines() if "plugin" not in line]
        parts.append(tail("dockerd", "\n".join(log)))
        parts.append(tail("the agents", "\n".join(scene.events())))
    except (RemoteError, Failed, HarnessError) as error:
        parts.append(f"(no more from the host: {error})")
    requests = "\n".join(str(request) for request in scene.bucket.journal)
    parts.append(tail("requests", requests))
    parts.append(tail("metadata requests", "\n".join(map(str, scene.metadata.journal))))
    return [part for part in parts if part]


def tail(title: str, text: str) -> str:
    lines = text.rstrip().splitlines()
    if not lines:
        return ""
    cut = f" (last {TAIL} lines)" if len(lines) > TAIL else ""
    return "\n".join([f"--- {title}{cut}", *lines[-TAIL:]])


def indent(text: str) -> str:
    return "\n".join("      " + line for line in text.splitlines())
