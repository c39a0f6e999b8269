"""`run --measure`: wall times and memory, without assertions."""

import re
import time
from statistics import median

from . import archives, builds
from .case import Scene
from .results import Results
from .runner import Options, host_maker
from .world import Artifacts, Surroundings, World

#: About the size of the real agent's tar, in bytes.
TAR_PADDING = 30 << 20

ROUNDS = 3

#: Seconds until the memory of an idle `start` is read.
IDLE_SECONDS = 30


def measure(stage: str, world: World, options: Options) -> None:
    """Prints wall times of a cold start and the memory of `start`."""
    arch = "x86_64" if stage == "ns" else stage
    programs = builds.guest_programs(arch)
    artifacts = Artifacts(world, programs, arch)
    artifacts.tar = archives.agent(programs.agent, padding=TAR_PADDING)
    artifacts.signature = world.trusted.sign(artifacts.tar)
    binary = builds.under_test(arch, options.binary_directory, options.debug)
    job = artifacts.job(binary).write(options.logs / f"job-{stage}.tar")
    make = host_maker(stage, arch, ["full"], programs.driver, job, Results())
    pre_start_seconds, answer_seconds = [], []
    for number in range(ROUNDS):
        log = options.logs / f"{stage}-{number}"
        log.mkdir(parents=True)
        with Surroundings(world) as around, make("full", log) as host:
            scene = Scene(host, artifacts, around)
            artifacts.publish(around.bucket)
            started = time.monotonic()
            scene.init("pre-start")
            pre_start_seconds.append(time.monotonic() - started)
            process = scene.start()
            answer_seconds.append(time.monotonic() - started)
            if number == ROUNDS - 1:
                time.sleep(IDLE_SECONDS)
                memory = _memory(scene, process.pid)
    size = len(artifacts.tar) / (1 << 20)
    print(f"{stage}: tar of {size:.1f} MiB, {ROUNDS} cold starts, median: "
          f"pre-start {median(pre_start_seconds):.2f} s, "
          f"pre-start until the agent answers {median(answer_seconds):.2f} s")
    print(f"{stage}: start after {IDLE_SECONDS} s: {memory}", flush=True)


def _memory(scene: Scene, pid: int) -> str:
    status = scene.host.text(f"/proc/{pid}/status")
    fields = dict(re.findall(r"(\w+):\s+(.*)", status))
    return ", ".join(f"{name} {fields[name]}" for name in ("VmRSS", "VmHWM", "RssAnon", "Threads"))
