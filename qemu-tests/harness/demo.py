"""`run --demo`: an end-to-end run on one guest, shown step by step."""

import json
import time

from . import builds
from .archives import AGENT
from .case import Scene
from .errors import Failed, equal, expect
from .results import Results
from .runner import Options, host_maker
from .world import Artifacts, Surroundings, World


def demo(stage: str, world: World, options: Options) -> bool:
    """Runs pre-start, start and post-stop on a fresh host; False if a step failed."""
    arch = "x86_64" if stage == "ns" else stage
    programs = builds.guest_programs(arch)
    artifacts = Artifacts(world, programs, arch)
    binary = builds.under_test(arch, options.binary_directory, options.debug)
    job = artifacts.job(binary).write(options.logs / "job.tar")
    _title(f"fresh host, {arch}, " + (
        "in namespaces of this machine" if stage == "ns" else "QEMU guest from its snapshot"))
    make = host_maker(stage, arch, ["full"], programs.driver, job, Results())
    with Surroundings(world) as around, make("full", options.logs) as host:
        scene = Scene(host, artifacts, around)
        version = host.docker.ok("GET", "/version")
        _say(f"dockerd {version['Version']} on Linux {version['KernelVersion']}, "
             f"{host.output('/usr/sbin/iptables', '--version').strip()}")
        artifacts.publish(around.bucket)
        try:
            _show(scene)
        except Failed as failed:
            print(f"\n{failed}")
            return False
    return True


def _show(scene: Scene) -> None:
    host = scene.host
    before = scene.rules()
    _title("ecs-init pre-start: download, verify, load, write the firewall rules")
    started = time.monotonic()
    result = scene.init("pre-start")
    prepared = time.monotonic() - started
    _say(result.stderr.rstrip())
    print()
    _say("requests to the metadata service:")
    for method, path, status in scene.metadata.journal:
        _say(f"  {status} {method} {path}")
    _say("requests to S3:")
    for request in scene.bucket.journal:
        _say(f"  {request.status} {request.method} {request.path} ({request.sent} bytes)")
    _say(f"signed by   {scene.artifacts.world.trusted.fingerprint}")
    _say(f"image       {AGENT} {scene.docker.images().get(AGENT)}")

    _title("new lines of iptables-save")
    for line in scene.rules():
        if line not in before:
            _say(line)

    _title("ecs-init start: run and supervise the agent")
    process = scene.start()
    total = time.monotonic() - started
    _say(process.stderr().rstrip())
    answer = host.get("127.0.0.1:51678", "/v1/metadata")
    _say("GET http://localhost:51678/v1/metadata")
    _say(json.dumps(answer.json(), indent=2))
    scene.load_task()
    task = scene.task("http://169.254.170.2/v2/credentials/some-task", "bridge")
    _say("GET http://169.254.170.2/v2/credentials/some-task, from a task on docker0")
    _say(task.stdout.strip())
    _say("GET port 51678 from outside the host")
    expect(host.outside("/v1/metadata") is None, "51678 answers from outside")
    _say("refused")

    _title("SIGTERM, then ecs-init post-stop")
    process.kill()
    ended = process.wait()
    scene.init("post-stop")
    _say(f"start: exit {ended.code}; agent events: {', '.join(scene.events())}")
    after = scene.rules()
    equal(after, before, "the firewall rules after post-stop")
    _say("firewall rules restored")
    _say(f"pre-start took {prepared:.1f} s, pre-start until the agent answers {total:.1f} s")


def _title(text: str) -> None:
    print(f"\n== {text}\n", flush=True)


def _say(text: str) -> None:
    for line in text.splitlines():
        print(f"   {line}", flush=True)
