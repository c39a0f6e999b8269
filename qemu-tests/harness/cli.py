"""`qemu-tests/run`: the command line, the checks before a run, and the counts at its end."""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from itertools import chain, zip_longest
from pathlib import Path

from bench import TOOLS as BENCH_TOOLS
from bench import bench

from . import builds, qemu, registry, requirements, rootfs
from .baking import boots
from .boots import BootStage, Table, provide
from .case import CASES, Case, named, select
from .demo import demo
from .errors import HarnessError
from .measure import measure
from .namespaces import enter_own_network
from .results import Results
from .rootfs import ENGINES, OWN, Engine
from .runner import Options, Stage
from .schedule import Job, Schedule, default_workers
from .story import steps
from .world import World

STAGES = ("ns", "x86_64", "aarch64", "boot/x86_64", "boot/aarch64")

#: Names for several of them.
GROUPS = {"all": list(STAGES), "boot": ["boot/x86_64", "boot/aarch64"]}

#: Exit codes: a case failed; the command line is wrong; the harness failed.
FAILED, USAGE, BROKEN = 1, 2, 3


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="qemu-tests/run",
        description="Tests ecs-init on whole hosts, each with its own dockerd and netfilter.",
        epilog="Exit codes: 0 all passed, 1 a case failed, 2 usage, 3 the harness failed.")
    made.add_argument("--stage", metavar="LIST",
                      help="stages to run, separated by commas: ns (namespaces of this machine), "
                           "x86_64, aarch64 (QEMU guests, the cases marked for guests), "
                           "boot/x86_64, boot/aarch64 (baked trees in QEMU), boot (both), all "
                           "(default: all; with --case: ns)")
    made.add_argument("--case", action="append", default=[], metavar="GLOB",
                      help="run only the cases (or boots) with this name; may be repeated. Alone it "
                           "means --stage ns and one Engine. In guests it also runs cases that are "
                           "not marked for guests")
    made.add_argument("--engine", metavar="LIST",
                      help=f"Docker Engines for ns: {', '.join(ENGINES)} (default: all but the last; "
                           f"with --case: {OWN.name}). Engines other than {OWN.name} run the cases "
                           "marked engines=ALL, or those named by --case")
    made.add_argument("--list", action="store_true", help="list the cases and exit")
    made.add_argument("--jobs", type=int, metavar="N", default=default_workers(),
                      help="hosts that run at the same time (default: %(default)s, one for each CPU)")
    made.add_argument("--demo", action="store_true",
                      help="run and show an end-to-end demo on one guest (x86_64, or --stage)")
    made.add_argument("--measure", action="store_true",
                      help="measure wall time and memory on ns and the guests instead of testing")
    made.add_argument("--bench", action="store_true",
                      help="compare ecs-init with similar tools and with lower bounds, on ns")
    made.add_argument("--binary-dir", type=Path, metavar="DIR",
                      help="directory of the binaries to test, ecs-init-ARCH or ecs-init")
    made.add_argument("--debug", action="store_true",
                      help="on ns test the debug build of image-build/toolchain/cargo-musl")
    made.add_argument("--table", type=Path, metavar="FILE", help="also write the boots' table here")
    made.add_argument("--keep", action="store_true", help="keep the logs of a run that passed")
    return made


def arguments(argv: list[str]) -> argparse.Namespace:
    """The command line with `stages`, `engines`, `cases` and `boots` resolved."""
    made = parser()
    options = made.parse_args(argv)
    if options.stage is None:
        options.stage = _default_stage(options)
    words = [word for word in options.stage.split(",") if word]
    options.stages = list(dict.fromkeys(chain(*(GROUPS.get(word, [word]) for word in words))))
    if unknown := [s for s in options.stages if s not in STAGES]:
        made.error(f"unknown stage: {', '.join(unknown)} (known: {', '.join((*STAGES, *GROUPS))})")
    if options.bench and options.stages != ["ns"]:
        made.error("--bench runs on ns, where nothing is emulated; --measure runs on guests")
    if (options.demo or options.measure) and any(s.startswith("boot/") for s in options.stages):
        made.error("--demo and --measure run on ns, x86_64 and aarch64")
    if options.jobs < 1:
        made.error("--jobs: at least 1")
    if options.engine is not None:
        names = options.engine.split(",")
    else:
        names = [OWN.name] if options.case else list(ENGINES)[:-1]
    if unknown := [e for e in names if e not in ENGINES]:
        made.error(f"unknown Engine: {', '.join(unknown)} (known: {', '.join(ENGINES)})")
    options.engines = [ENGINES[name] for name in names]
    options.cases = select(options.case)
    options.boots = [b for b in boots() if named(b.name, options.case)]
    if not options.cases and not options.boots:
        made.error(f"no case is named {', '.join(options.case)}; --list shows the names")
    if not options.list and not any(_jobs_of(options, stage) for stage in options.stages):
        made.error(f"{', '.join(options.case)}: nothing to run on {', '.join(options.stages)}; "
                   "boots need --stage boot")
    return options


def _default_stage(options: argparse.Namespace) -> str:
    if options.bench or options.case:
        return "ns"
    if options.demo:
        return "x86_64"
    return "ns,x86_64,aarch64" if options.measure else "all"


def _jobs_of(options: argparse.Namespace, stage: str) -> bool:
    return bool(options.boots if stage.startswith("boot/") else options.cases)


def main(argv: list[str]) -> int:
    options = arguments(argv)
    if options.list:
        _list(options)
        return 0
    try:
        return _run(options)
    except (HarnessError, rootfs.archive.ArchiveError) as error:
        print(f"harness failure: {error}", file=sys.stderr)
    except Exception:
        print(f"harness failure: {traceback.format_exc()}", file=sys.stderr)
    return BROKEN


def _list(options: argparse.Namespace) -> None:
    width = max(len(case.name) for case in CASES)
    for case in options.cases:
        guests = f" [guests: {case.guests}]" if case.guests else ""
        print(f"{case.name:{width}}  {case.what}{guests}")
    for boot in options.boots:
        print(f"{boot.name:{width}}  Boot with {boot.init}, ecs-init installed by {boot.installer}: "
              f"{', '.join(step.name for step in steps(boot))}.")


def _engine_cases(options: argparse.Namespace, engine: Engine) -> list[Case]:
    if engine == OWN:
        return options.cases
    chosen = options.engine and options.case
    return [c for c in options.cases if c.variant == "full" and (c.every_engine or chosen)]


def _guest_cases(options: argparse.Namespace) -> list[Case]:
    return [c for c in options.cases if c.guests or options.case]


def _run(options: argparse.Namespace) -> int:
    started = time.monotonic()
    stages = [s for s in options.stages if not s.startswith("boot/") and options.cases]
    booted = [s.removeprefix("boot/") for s in options.stages
              if s.startswith("boot/") and options.boots]
    guests = [s for s in stages if s != "ns"]
    archs = ["x86_64" if s == "ns" else s for s in stages] + booted
    # A debug build is for ns alone.
    if problems := requirements.missing(archs, "ns" in stages, options.cases if stages else [],
                                        options.boots, booted, options.binary_dir,
                                        options.debug and not guests and not booted,
                                        BENCH_TOOLS if options.bench else {}):
        raise HarnessError("\n  ".join(["cannot run:", *problems]))
    _provide(options, stages, booted)

    logs = Path(tempfile.mkdtemp(prefix="ecs-init-qemu-tests-"))
    results, table = Results(), Table()
    chosen = Options(options.binary_dir, options.debug, logs)
    if options.demo or options.measure or options.bench:
        return _single(options, stages, chosen)
    print(f"ready after {time.monotonic() - started:.0f} s", flush=True)
    with World() as world:
        jobs = _jobs(options, guests, booted, world, chosen, results, table)
        schedule = Schedule.of(jobs, results)
        schedule.run(options.jobs)
    _summary(options, schedule, table, logs, time.monotonic() - started)
    if results.broken:
        return BROKEN
    return FAILED if results.failed else 0


def _provide(options: argparse.Namespace, stages: list[str], booted: list[str]) -> None:
    """Downloads and builds all that needs a network, while there is one."""
    guests = [s for s in stages if s != "ns"]
    if archs := list(dict.fromkeys([*guests, *booted])):
        qemu.provide(archs)
    single = options.demo or options.measure or options.bench
    for arch in sorted({"x86_64" if s == "ns" else s for s in stages}):
        programs = builds.guest_programs(arch)
        if arch == "x86_64" and "ns" in stages and not single:
            for engine in options.engines:
                if engine != OWN and _engine_cases(options, engine):
                    builds.root(engine, "full", programs.driver)
        for variant in ["full"] if single else sorted({c.variant for c in options.cases}):
            rootfs.guest.build(arch, variant, programs.driver)
    if stages and not single and any(case.module == "registry" for case in options.cases):
        registry.program()
    provide(booted, options.boots)


def _single(options: argparse.Namespace, stages: list[str], chosen: Options) -> int:
    """The demo or a measurement, one host after another."""
    enter_own_network()
    with World() as world:
        if options.demo:
            done = all([demo(stage, world, chosen) for stage in stages])
        elif options.bench:
            done = bench(world, chosen)
        else:
            for stage in stages:
                measure(stage, world, chosen)
            done = True
    shutil.rmtree(chosen.logs)
    return 0 if done else FAILED


def _jobs(options: argparse.Namespace, guests: list[str], booted: list[str], world: World,
          chosen: Options, results: Results, table: Table) -> list[Job]:
    """All jobs in the order they start: preparations that may take minutes, the quick stage,
    then the emulated ones, longest first and the architectures in turn."""
    namespaces = [Stage("ns", _engine_cases(options, engine), world, chosen, results, engine)
                  for engine in options.engines if "ns" in options.stages]
    emulated = [Stage(arch, _guest_cases(options), world, chosen, results) for arch in guests]
    boot_stages = [BootStage(arch, options.boots, world, chosen, results, table) for arch in booted]
    jobs = [Job(stage.name, stage.prepare) for stage in emulated if stage.cases]
    jobs += chain(*(stage.jobs() for stage in namespaces))
    jobs += _in_turn(stage.jobs() for stage in boot_stages)
    jobs += _in_turn(stage.jobs() for stage in emulated)
    return jobs


def _in_turn(queues) -> list[Job]:
    return [job for group in zip_longest(*queues) for job in group if job]


def _summary(options: argparse.Namespace, schedule: Schedule, table: Table, logs: Path,
             seconds: float) -> None:
    results = schedule.results
    if table.cells:
        print(f"\n{table}\n")
        if options.table:
            options.table.write_text(f"{table}\n")
    if results.retried:
        print(f"retried after a failure of the harness: {', '.join(results.retried)}")
    for problem in results.broken:
        print(f"harness failure: {problem}", file=sys.stderr)
    if options.keep or results.failed or results.broken:
        print(f"logs: {logs}")
    else:
        shutil.rmtree(logs)
    if len(schedule.times) > 1:
        for stage, times in schedule.times.items():
            print(f"stage {stage}: {times}")
    print(f"{seconds:.0f} s in total with {options.jobs} workers")
    print(f"{results.passed} passed, {results.failed} failed", flush=True)
