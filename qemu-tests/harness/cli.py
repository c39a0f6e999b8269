"""`qemu-tests/run`: which cases, on which stages, and the count at the end."""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from bench import bench

from . import builds, namespaces, qemu, registry, rootfs
from .baking import boots
from .boots import Table, provide, run_boots
from .case import CASES, Case, named, select
from .demo import demo
from .errors import HarnessError
from .measure import measure
from .rootfs import ENGINES, OWN, Engine
from .runner import Options, Tally, run_stage
from .story import steps
from .world import World

STAGES = ("ns", "x86_64", "aarch64", "boot/x86_64", "boot/aarch64")

#: What stands for several of them.
GROUPS = {"boot": ["boot/x86_64", "boot/aarch64"]}

#: A case failed; the command line was wrong; the harness itself failed.
FAILED, USAGE, BROKEN = 1, 2, 3


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="qemu-tests/run",
        description="ecs-init on whole hosts with a real dockerd and a real netfilter.",
        epilog="Exit 0: all passed. 1: a case failed. 2: usage. 3: the harness failed.")
    parser.add_argument("--stage", default=",".join(STAGES), metavar="LIST",
                        help="ns (namespaces of this machine), x86_64, aarch64 (QEMU), "
                             "boot/x86_64, boot/aarch64 (baked trees in QEMU), boot (both); all")
    parser.add_argument("--engine", default=None, metavar="LIST",
                        help=f"Docker Engines for ns ({', '.join(ENGINES)}); all but the last. On others "
                             f"than {OWN.name} run the cases that are for every Engine, or those "
                             "named by --case")
    parser.add_argument("--case", action="append", default=[], metavar="GLOB",
                        help="only the cases of this name; may be given again")
    parser.add_argument("--table", type=Path, metavar="FILE",
                        help="write the boots' table there, too")
    parser.add_argument("--demo", action="store_true",
                        help="show the main job on one guest (x86_64, or the --stage given)")
    parser.add_argument("--measure", action="store_true",
                        help="wall times and memory on the stages, instead of the cases")
    parser.add_argument("--bench", action="store_true",
                        help="ecs-init against peers and floors, in namespaces (ns)")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--binary-dir", type=Path, metavar="DIR",
                        help="take ecs-init-ARCH or ecs-init from here")
    parser.add_argument("--debug", action="store_true",
                        help="for ns take the debug build for musl")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a run that passed")
    options = parser.parse_args(argv)
    if options.demo and options.stage == ",".join(STAGES):
        options.stage = "x86_64"
    if options.bench:
        if options.stage not in (",".join(STAGES), "ns"):
            parser.error("--bench is for ns, where nothing is emulated; --measure is for guests")
        options.stage = "ns"
    if options.measure and options.stage == ",".join(STAGES):
        options.stage = "ns,x86_64,aarch64"
    options.stages = [stage for s in options.stage.split(",") if s for stage in GROUPS.get(s, [s])]
    if unknown := [s for s in options.stages if s not in STAGES]:
        parser.error(f"no such stage: {', '.join(unknown)} (there are {', '.join(STAGES)})")
    names = list(ENGINES)[:-1] if options.engine is None else options.engine.split(",")
    if unknown := [e for e in names if e not in ENGINES]:
        parser.error(f"no such Engine: {', '.join(unknown)} (there are {', '.join(ENGINES)})")
    options.engines = [ENGINES[name] for name in names]
    options.cases = select(options.case)
    options.boots = [b for b in boots() if named(b.name, options.case)]
    if (options.demo or options.measure) and any(s.startswith("boot/") for s in options.stages):
        parser.error("the boots are for nothing but their own story")
    if not options.cases and not options.boots:
        parser.error(f"no case is named {', '.join(options.case)}; --list names them")
    return options


def main(argv: list[str]) -> int:
    options = arguments(argv)
    if options.list:
        width = max(len(case.name) for case in CASES)
        for case in options.cases:
            print(f"{case.name:{width}}  {case.what}")
        for boot in options.boots:
            print(f"{boot.name:{width}}  Booted with {boot.init}, ecs-init put there by {boot.form}: "
                  f"{', '.join(step.name for step in steps(boot))}.")
        return 0
    # Whatever breaks out of here, it was no case that failed.
    try:
        return _run(options)
    except (HarnessError, rootfs.archive.ArchiveError) as error:
        print(f"harness failure: {error}", file=sys.stderr)
    except Exception:
        print(f"harness failure: {traceback.format_exc()}", file=sys.stderr)
    return BROKEN


def _cases(options: argparse.Namespace, engine: Engine) -> list[Case]:
    """Those that run on an Engine."""
    if engine == OWN:
        return options.cases
    named = options.engine and options.case
    return [c for c in options.cases if c.sort == "full" and (c.everywhere or named)]


def _run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    if os.geteuid() != 0:
        raise HarnessError("the stages are made of namespaces: run as root")
    if missing := builds.missing_tools(options.stages):
        raise HarnessError(f"missing tools: apt-get install {' '.join(missing)}")
    stages = [s for s in options.stages if not s.startswith("boot/")] if options.cases else []
    booted = [s.removeprefix("boot/") for s in options.stages
              if s.startswith("boot/") and options.boots]
    # All that needs the machine's network comes first.
    for arch in sorted({"x86_64" if s == "ns" else s for s in stages}):
        programs = builds.guest_programs(arch)
        own_work = options.demo or options.measure or options.bench
        if arch == "x86_64" and "ns" in stages and not own_work:
            for engine in options.engines:
                if engine != OWN and _cases(options, engine):
                    builds.root(engine, "full", programs.driver)
        for sort in ["full"] if own_work else sorted({c.sort for c in options.cases}):
            rootfs.guest.build(arch, sort, programs.driver)
    if any(case.body.__module__ == "cases.registry" for case in options.cases):
        registry.program()
    provide(booted, options.boots)
    guests = [s for s in stages if s != "ns"]
    archs = list(dict.fromkeys([*guests, *booted]))
    if archs:
        qemu.provide(archs)
    namespaces.enter_own_network()

    logs = Path(tempfile.mkdtemp(prefix="ecs-init-qemu-tests-"))
    tally = Tally()
    chosen = Options(options.binary_dir, options.debug, logs)
    with World() as world:
        if options.demo:
            shown = [demo(stage, world, chosen) for stage in stages]
            shutil.rmtree(logs)
            return 0 if all(shown) else FAILED
        if options.bench:
            done = bench(world, chosen)
            shutil.rmtree(logs)
            return 0 if done else FAILED
        if options.measure:
            for stage in stages:
                measure(stage, world, chosen)
            shutil.rmtree(logs)
            return 0
        # The quick stage alone, then the guests side by side: one keeps one core busy.
        for engine in options.engines if "ns" in stages else []:
            if cases := _cases(options, engine):
                run_stage("ns", cases, world, chosen, tally, engine)
        table = Table()

        def on(arch: str) -> None:
            if arch in guests:
                run_stage(arch, options.cases, world, chosen, tally)
            if arch in booted:
                run_boots(arch, options.boots, world, chosen, tally, table)

        threads = [threading.Thread(target=on, args=(arch,), daemon=True) for arch in archs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    if table.cells:
        print(f"\n{table}\n")
        if options.table:
            options.table.write_text(f"{table}\n")
    if tally.again:
        print(f"run again: {', '.join(tally.again)}")
    for problem in tally.broken:
        print(f"harness failure: {problem}", file=sys.stderr)
    if options.keep or tally.failed or tally.broken:
        print(f"logs: {logs}")
    else:
        shutil.rmtree(logs)
    seconds = time.monotonic() - started
    print(f"{tally.passed} passed, {tally.failed} failed in {seconds:.0f} s")
    if tally.broken:
        return BROKEN
    return FAILED if tally.failed else 0
