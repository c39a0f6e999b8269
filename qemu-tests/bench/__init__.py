"""`run --bench`: compares ecs-init with similar tools and with lower bounds in the same run.

Measurements without assertions: only a command that fails ends the bench. On the stage `ns`,
where nothing is emulated.
"""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from harness import archives, builds
from harness.case import Scene
from harness.errors import Failed
from harness.results import Results
from harness.runner import Options, host_maker
from harness.world import Artifacts, Surroundings, World

from . import files
from .hosts import Bench
from .table import table

#: Incompressible padding of the tar in bytes.
WEIGHT = 100_000_000

#: Repetitions of short commands, and of those that move 100 MB.
MANY, FEW = 20, 7

#: Program and Debian package, in addition to those of the stages.
TOOLS = {"strace": "strace", "sysctl": "procps", "nsenter": "util-linux"}


def bench(world: World, options: Options) -> bool:
    """Measures and prints, in two minutes; False if a command failed."""
    try:
        _bench(world, options)
    except Failed as failed:
        print(failed)
        return False
    return True


def _bench(world: World, options: Options) -> None:
    load = os.getloadavg()
    programs = builds.guest_programs("x86_64")
    binary = builds.under_test("x86_64", options.binary_directory, options.debug)
    artifacts = Artifacts(world, programs, "x86_64")
    artifacts.tar = archives.agent(programs.agent, padding=WEIGHT)
    artifacts.signature = world.trusted.sign(artifacts.tar)
    tar, keyring = options.logs / "agent.tar", options.logs / "keyring.asc"
    tar.write_bytes(artifacts.tar)
    Path(f"{tar}.asc").write_bytes(artifacts.signature)
    keyring.write_bytes(world.trusted.certificate)

    rows = files.sizes(options.binary_directory)
    _progress("verify")
    rows += files.verifying(binary, tar, keyring, world, FEW)
    tar.unlink()
    job = artifacts.job(binary).write(options.logs / "job.tar")
    make = host_maker("ns", "x86_64", ["full"], programs.driver, job, Results())
    with Surroundings(world) as around, make("full", options.logs) as host:
        many = Bench(Scene(host, artifacts, around), MANY, options.logs)
        few = Bench(many.scene, FEW, options.logs)
        few.fill()
        parts = []
        for part in (few.loading, many.network, many.processes, many.starting, few.idle):
            _progress(part.__name__)
            parts += part()
        _progress("downloading")
        downloads, cipher = few.downloading()
        versions = _versions(host, cipher)
    print(f"\nThe tar has {len(artifacts.tar):,} bytes. Medians of {FEW} runs that read it, of "
          f"{MANY} others;\npeaks and idle figures are of one run. Load average {load[0]:.2f} "
          f"before and\n{os.getloadavg()[0]:.2f} after, {os.cpu_count()} CPUs: on a shared machine "
          "compare the ratios.")
    print(versions)
    print("recorded: amazon-ecs-init 1.105.1, measured on another day.\n"
          "reference's programs: the nine that it starts, without its own time. ecs-init's\n"
          "pre-start includes Docker requests; for /version dockerd runs programs.\n")
    print(table([*rows, *parts, *downloads]), flush=True)


def _progress(part: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {part} ...", file=sys.stderr, flush=True)


def _versions(host, cipher: str) -> str:
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text()
                .splitlines() if line.startswith("model name")), "unknown CPU")
    docker = host.docker.ok("GET", "/version")["Version"]
    first = [subprocess.run(argv, capture_output=True, text=True).stdout.split("\n")[0]
             for argv in (["gpg", "--version"], ["openssl", "version"])]
    return (f"{cpu}; Linux {platform.release()}; dockerd {docker}; "
            f"{host.output('/usr/sbin/iptables', '--version').strip()}; {'; '.join(first)}; "
            f"Python {platform.python_version()}; TLS by {cipher}")
