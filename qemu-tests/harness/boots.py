"""The stages `boot/ARCH`: baked trees, booted with their own init, checked step by step."""

import platform
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import builds, rootfs
from .baking import Baker, Boot
from .boot import BootHost
from .channel import RemoteError
from .errors import Failed, HarnessError
from .host import UNMET
from .results import BROKEN, Results, indent, tail
from .runner import Options
from .schedule import Job
from .story import Step, Story, steps
from .world import Artifacts, World

#: Logs to show after a failed step, by init.
LOGS = {
    "systemd": [["/usr/bin/journalctl", "--no-pager", "-n", "30", "-u", "ecs", "-u", "docker"]],
    "openrc": [["/bin/tail", "-n", "30", "/var/log/ecs/ecs-init.log"]],
    "runit": [["/bin/tail", "-n", "30", "/var/log/ecs/ecs-init/current"]],
}


@dataclass(frozen=True)
class Cell:
    """The result of one tree on one architecture."""

    boot: Boot
    arch: str
    #: From the machine's start until the agent answers, for each boot.
    seconds: list[float]
    passed: int
    #: The names of the steps that failed.
    failed: list[str]
    #: How many were not run.
    unreached: int

    def __str__(self) -> str:
        times = ", ".join(f"{s:.0f} s" for s in self.seconds) or (
            "never up" if self.boot.is_booted(self.arch) else "not booted")
        total = self.passed + len(self.failed) + self.unreached
        return f"{times}; {self.passed} of {total}" + "".join(f", not {f}" for f in self.failed)


class Table:
    """The results of all boots."""

    def __init__(self):
        self.cells: list[Cell] = []
        self.lock = threading.Lock()

    def add(self, cell: Cell) -> None:
        with self.lock:
            self.cells.append(cell)

    def __str__(self) -> str:
        """Markdown: a row for each init and installer, a column for each architecture."""
        archs = sorted({cell.arch for cell in self.cells}, reverse=True)
        lines = ["| init | installer | " + " | ".join(archs) + " |", "|---" * (2 + len(archs)) + "|"]
        for boot in dict.fromkeys(cell.boot for cell in self.cells):
            row = [next((str(c) for c in self.cells if c.boot == boot and c.arch == arch), "not run")
                   for arch in archs]
            lines.append(f"| {boot.init} | {boot.installer} | " + " | ".join(row) + " |")
        return "\n".join(lines)


class BootStage:
    """The boots of one architecture. A failure of one, or of the harness, ends no other."""

    def __init__(self, arch: str, boots: Iterable[Boot], world: World, options: Options,
                 results: Results, table: Table):
        self.name, self.arch, self.boots = f"boot/{arch}", arch, list(boots)
        self.world, self.options, self.results, self.table = world, options, results, table
        self._lock = threading.Lock()
        self._prepared = False

    def jobs(self) -> list[Job]:
        return [Job(self.name, lambda boot=boot: self._job(boot)) for boot in self.boots]

    def _prepare(self) -> None:
        with self._lock:
            if self._prepared:
                return
            programs = builds.guest_programs(self.arch)
            self.artifacts = Artifacts(self.world, programs, self.arch)
            # The binary that bakes is this machine's, whatever the tree's architecture.
            self.baking, self.binary = (
                builds.under_test(arch, self.options.binary_directory, self.options.debug)
                for arch in (platform.machine(), self.arch))
            self.kernel = rootfs.inits.boot(self.arch, programs.driver)
            self.work = rootfs.archive.cache_root() / "boots"
            self.work.mkdir(parents=True, exist_ok=True)
            self._prepared = True

    def _job(self, boot: Boot) -> None:
        self.results.with_retries(f"{self.name} {boot.name}", lambda: self._run(boot))

    def _run(self, boot: Boot) -> None:
        self._prepare()
        log = self.options.logs / f"boot-{self.arch}" / boot.name
        log.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.work) as directory:
            work = Path(directory)
            baker = Baker(self.baking, self.binary, self.artifacts, work)
            story = Story(boot, self.arch, baker, work / "tree")
            cell = self._steps(story, work / "root.ext4", log)
        self.table.add(cell)
        self.results.count(cell.passed, len(cell.failed) + cell.unreached)

    def _steps(self, story: Story, image: Path, log: Path) -> Cell:
        """Runs all steps of one tree: it is baked, then booted."""
        todo = steps(story.boot, self.arch)
        on_tree = [step for step in todo if step.on_tree]
        booted = [step for step in todo if not step.on_tree]
        failed: list[str] = []

        def run(steps: list[Step]) -> bool:
            """Removes steps from the list as it runs them; False at a needed one that fails."""
            while steps:
                step = steps.pop(0)
                started = time.monotonic()
                problem = _problem(step, story)
                self._say(story, step, problem, f" ({time.monotonic() - started:.1f} s)")
                if problem:
                    failed.append(step.name)
                    if step.needed:
                        return False
            return True

        rootfs.inits.copy(rootfs.inits.tree(story.arch, story.boot.init), story.tree)
        if run(on_tree) and booted:
            rootfs.inits.disk(story.tree, image)
            try:
                with BootHost(story.arch, self.kernel.kernel, self.kernel.initramfs, image,
                              log) as story.host:
                    run(booted)
            except BROKEN as error:
                # A retry could hide the step that failed.
                if not failed:
                    raise
                self.results.say(f"      {self.name} {story.boot.name}: {error}")
        unreached = [*on_tree, *booted]
        for step in unreached:
            self._say(story, step, "not reached: an earlier step failed", "")
        passed = len(steps(story.boot, self.arch)) - len(failed) - len(unreached)
        return Cell(story.boot, story.arch, story.seconds, passed, failed, len(unreached))

    def _say(self, story: Story, step: Step, problem: str | None, took: str) -> None:
        verdict = "FAIL" if problem else "ok"
        text = f"{verdict:5} {self.name} {story.boot.name} {step.name}{took}"
        if problem:
            text += f": {step.what}\n" + indent(problem)
        self.results.say(text)


def provide(archs: Iterable[str], boots: Iterable[Boot]) -> None:
    """Downloads and builds what the boots need, while there is a network."""
    for arch in archs:
        rootfs.inits.boot(arch, builds.guest_programs(arch).driver)
        for init in dict.fromkeys(boot.init for boot in boots):
            rootfs.inits.tree(arch, init)


def _problem(step: Step, story: Story) -> str | None:
    """Why the step failed, with the machine's logs; None if it passed."""
    try:
        step.body(story)
        return None
    except Failed as failed:
        problem = str(failed)
    except UNMET:
        # The machine does not have what the step assumes.
        problem = traceback.format_exc().strip()
    return "\n".join([problem, *(_evidence(story) if story.host else [])])


def _evidence(story: Story) -> list[str]:
    parts = [tail("console", story.host.console())]
    try:
        parts.append(tail("agent events", "\n".join(story.events())))
        for argv in LOGS.get(story.boot.init, []):
            parts.append(tail(" ".join(argv), story.host.run(argv).stdout))
    except (RemoteError, Failed, HarnessError) as error:
        parts.append(f"(the machine does not answer: {error})")
    return [part for part in parts if part]
