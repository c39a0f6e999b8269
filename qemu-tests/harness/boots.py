"""The stages `boot/ARCH`: trees baked here, booted with their own init, step by step."""

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
from .runner import BROKEN, Options, Tally, indent, patiently, tail
from .story import Step, Story, steps
from .world import Artifacts, World

#: What else a machine can tell of a step that failed, by init.
LOGS = {
    "systemd": [["/usr/bin/journalctl", "--no-pager", "-n", "30", "-u", "ecs", "-u", "docker"]],
    "openrc": [["/bin/tail", "-n", "30", "/var/log/ecs/ecs-init.log"]],
    "runit": [["/bin/tail", "-n", "30", "/var/log/ecs/ecs-init/current"]],
}


@dataclass(frozen=True)
class Cell:
    """What came of one tree on one architecture."""

    boot: Boot
    arch: str
    #: From the machine's start to the agent's answer, in seconds, boot by boot.
    seconds: list[float]
    passed: int
    #: The names of the steps that failed.
    failed: list[str]
    #: How many were never tried.
    unreached: int

    def __str__(self) -> str:
        times = ", ".join(f"{s:.0f} s" for s in self.seconds) or "never up"
        total = self.passed + len(self.failed) + self.unreached
        return f"{times}; {self.passed} of {total}" + "".join(f", not {f}" for f in self.failed)


class Table:
    """The cells, as they come in from the architectures' threads."""

    def __init__(self):
        self.cells: list[Cell] = []
        self.lock = threading.Lock()

    def add(self, cell: Cell) -> None:
        with self.lock:
            self.cells.append(cell)

    def __str__(self) -> str:
        """Markdown: init and form down, architectures across."""
        archs = sorted({cell.arch for cell in self.cells}, reverse=True)
        lines = ["| init | form | " + " | ".join(archs) + " |", "|---" * (2 + len(archs)) + "|"]
        for boot in dict.fromkeys(cell.boot for cell in self.cells):
            row = [next((str(c) for c in self.cells if c.boot == boot and c.arch == arch), "not run")
                   for arch in archs]
            lines.append(f"| {boot.init} | {boot.form} | " + " | ".join(row) + " |")
        return "\n".join(lines)


def run_boots(arch: str, chosen: Iterable[Boot], world: World, options: Options, tally: Tally,
              table: Table) -> None:
    """All boots of one architecture. Another's failure, or the harness's, ends none of them."""
    name = f"boot/{arch}"
    try:
        programs = builds.guest_programs(arch)
        artifacts = Artifacts(world, programs, arch)
        # From this machine's own binary, whatever the tree's architecture.
        baking, binary = (builds.under_test(a, options.binary_directory, options.debug)
                          for a in (platform.machine(), arch))
        kernel = rootfs.inits.boot(arch, programs.driver)
        place = rootfs.archive.cache_root() / "boots"
        place.mkdir(parents=True, exist_ok=True)
    except HarnessError as error:
        with tally.lock:
            tally.broken.append(f"{name}: {error}")
        return

    def tell(boot: Boot) -> None:
        log = options.logs / f"boot-{arch}" / boot.name
        log.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as directory:
            work = Path(directory)
            story = Story(boot, arch, Baker(baking, binary, artifacts, work), work / "tree")
            cell = _tell(name, story, kernel, work / "root.ext4", log, tally)
        table.add(cell)
        with tally.lock:
            tally.passed += cell.passed
            tally.failed += len(cell.failed) + cell.unreached

    for boot in chosen:
        try:
            patiently(f"{name} {boot.name}", lambda boot=boot: tell(boot), tally)
        except Exception:
            with tally.lock:
                tally.broken.append(f"{name} {boot.name}: {traceback.format_exc().strip()}")


def provide(archs: Iterable[str], chosen: Iterable[Boot]) -> None:
    """What needs the machine's network, while there is one."""
    for arch in archs:
        rootfs.inits.boot(arch, builds.guest_programs(arch).driver)
        for init in dict.fromkeys(boot.init for boot in chosen):
            rootfs.inits.tree(arch, init)


def _tell(stage: str, story: Story, kernel, image: Path, log: Path, tally: Tally) -> Cell:
    """The whole story of one tree: baked, booted, step by step."""
    passed, failed = 0, []

    def told(todo: list[Step]) -> bool:
        """Does steps and takes them off the list; False at a needed one that fails."""
        nonlocal passed
        while todo:
            step = todo.pop(0)
            started = time.monotonic()
            problem = _problem(step, story)
            _say(tally, stage, story, step, problem, f" ({time.monotonic() - started:.1f} s)")
            if problem:
                failed.append(step.name)
                if step.needed:
                    return False
            else:
                passed += 1
        return True

    todo = steps(story.boot)
    here, there = [s for s in todo if s.on_tree], [s for s in todo if not s.on_tree]
    rootfs.inits.copy(rootfs.inits.tree(story.arch, story.boot.init), story.tree)
    if told(here):
        rootfs.inits.disk(story.tree, image)
        try:
            with BootHost(story.arch, kernel.kernel, kernel.initramfs, image, log) as story.host:
                told(there)
        except BROKEN as error:
            # Told once more, the story could hide what has failed.
            if not failed:
                raise
            tally.say(f"      {stage} {story.boot.name}: {error}")
    unreached = [*here, *there]
    for step in unreached:
        _say(tally, stage, story, step, "not reached: what it stands on has failed", "")
    return Cell(story.boot, story.arch, story.seconds, passed, failed, len(unreached))


def _problem(step: Step, story: Story) -> str | None:
    """What was wrong, and what the machine says of it; None when all held."""
    try:
        step.body(story)
        return None
    except Failed as failed:
        problem = str(failed)
    except UNMET:
        # The machine did not have what the step took for granted.
        problem = traceback.format_exc().strip()
    return "\n".join([problem, *(_evidence(story) if story.host else [])])


def _evidence(story: Story) -> list[str]:
    parts = [tail("console", story.host.console())]
    try:
        parts.append(tail("the agents", "\n".join(story.events())))
        for argv in LOGS.get(story.boot.init, []):
            parts.append(tail(" ".join(argv), story.host.run(argv).stdout))
    except (RemoteError, Failed, HarnessError) as error:
        parts.append(f"(no more from the machine: {error})")
    return [part for part in parts if part]


def _say(tally: Tally, stage: str, story: Story, step: Step, problem: str | None,
         took: str) -> None:
    text = f"{'FAIL' if problem else 'ok':5} {stage} {story.boot.name} {step.name}{took}"
    if problem:
        text += f": {step.what}\n" + indent(problem)
    tally.say(text)
